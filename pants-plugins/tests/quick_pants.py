"""Runs the Pants of this interpreter, without what it prepares for plugins where a repository names none.

Before it loads a backend, Pants 2.17 works out the rules of its Python backend, with which it would install what
`[GLOBAL].plugins` names. Where that names nothing they are asked for nothing, but take two thirds of the CPU of a run
without pantsd. Here they are worked out where a plugin is named, and only there. All else is Pants' own, and the
`pants` that PANTS_UNDER_TEST names is run as it is.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def write_executable(file: Path) -> Path:
    """One that runs this module with this interpreter."""
    command = shlex.join([sys.executable, str(Path(__file__).resolve())])
    file.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    file.chmod(0o755)
    return file


class WhenAsked:
    """A BootstrapScheduler whose scheduler is made when it is asked for."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._made: Any = None

    @property
    def scheduler(self) -> Any:
        if self._made is None:
            self._made = self._make()
        return self._made.scheduler


def prepare_for_named_plugins_only() -> None:
    from pants.init import options_initializer, plugin_resolver

    create = options_initializer.create_bootstrap_scheduler
    resolve = plugin_resolver.PluginResolver._resolve_plugins

    def create_when_asked(*args: Any) -> Any:
        return WhenAsked(lambda: create(*args))

    def resolve_named(self: Any, options_bootstrapper: Any, env: Any, request: Any) -> Any:
        if not options_bootstrapper.get_bootstrap_options().for_global_scope().plugins:
            return plugin_resolver.ResolvedPluginDistributions()
        return resolve(self, options_bootstrapper, env, request)

    options_initializer.create_bootstrap_scheduler = create_when_asked  # type: ignore[assignment]
    plugin_resolver.PluginResolver._resolve_plugins = resolve_named  # type: ignore[method-assign]


if __name__ == "__main__":
    del sys.path[0]  # This folder, where Pants' own script has its own.

    from pants.bin.pants_loader import main

    prepare_for_named_plugins_only()
    sys.exit(main())  # type: ignore[func-returns-value]
