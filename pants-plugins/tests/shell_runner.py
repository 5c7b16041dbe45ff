"""A RuleRunner with this backend beside Pants' own for shell commands, which generate what lists come from."""

from __future__ import annotations

from pathlib import Path

from pants.backend.shell import register as shell
from pants.core import register as core
from pants.core.goals.lint import LintResult
from pants.core.target_types import FileTarget
from pants.engine.addresses import Address
from pants.engine.goal import Goal
from pants.testutil.rule_runner import GoalRuleResult, QueryRule, RuleRunner

from docker_mirror import register
from docker_mirror.lint import LintImageListFieldSet, LintImageListsRequest

OPTIONS = (
    "--docker-registries={'mirror': {'address': 'm.example', 'default': True}}",
    "--docker-mirror-lint-latest=off",
)


class ShellRunner:
    def __init__(self, helper: Path) -> None:
        self.options = (*OPTIONS, f"--docker-mirror-helper={helper}")
        self.rules = RuleRunner(
            rules=[
                *core.rules(),  # type: ignore[no-untyped-call]
                *register.rules(),
                *shell.rules(),  # type: ignore[no-untyped-call]
                QueryRule(LintResult, [LintImageListsRequest.Batch]),
            ],
            target_types=[*register.target_types(), *shell.target_types(), FileTarget],  # type: ignore[no-untyped-call]
            preserve_tmpdirs=False,
        )

    def goal(self, goal: type[Goal], *args: str) -> GoalRuleResult:
        return self.rules.run_goal_rule(goal, global_args=self.options, args=args, env_inherit={"PATH", "HOME"})

    def lint(self, *addresses: Address) -> LintResult:
        """What is found, as the goal only logs it."""
        self.rules.set_options(self.options, env_inherit={"PATH", "HOME"})
        fields = tuple(LintImageListFieldSet.create(self.rules.get_target(address)) for address in addresses)
        return self.rules.request(LintResult, [LintImageListsRequest.Batch("", fields, None)])

    def read(self, path: str) -> str:
        return Path(self.rules.build_root, path).read_text()
