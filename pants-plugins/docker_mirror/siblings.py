"""The image lists of one directory, which share a generator, or could share a place in the dist directory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pants.base.specs import DirGlobSpec, RawSpecs
from pants.engine.addresses import Address
from pants.engine.rules import collect_rules, rule
from pants.engine.target import Targets

from docker_mirror.field_sets import ImageListFieldSet
from docker_mirror.pants_compat import resolve_raw_specs, rule_call
from docker_mirror.target_types import declaration


@dataclass(frozen=True)
class SiblingsRequest:
    directory: str


@dataclass(frozen=True)
class Siblings:
    lists: tuple[ImageListFieldSet, ...]
    """Of all targets in the directory's BUILD files, sorted by address."""

    def of_one_declaration(self, address: Address) -> tuple[ImageListFieldSet, ...]:
        """What one generator, with one choice of its parameters, makes; or a target alone.

        Only targets of one choice have their fields in common: each choice may have other files, and other overrides.
        """
        wanted = declaration(address)
        return tuple(fields for fields in self.lists if declaration(fields.address) == wanted)


@rule
async def find_siblings(request: SiblingsRequest) -> Siblings:
    targets: Targets = await resolve_raw_specs(
        RawSpecs(
            dir_globs=(DirGlobSpec(request.directory),), description_of_origin="the check of image lists in a directory"
        )
    )
    fields = (ImageListFieldSet.create(target) for target in targets if ImageListFieldSet.is_applicable(target))
    return Siblings(tuple(sorted(fields, key=lambda fs: fs.address)))


siblings_in = rule_call(find_siblings, SiblingsRequest, Siblings)


def rules() -> Iterable[object]:
    return collect_rules()
