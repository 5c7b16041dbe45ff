"""A target of ours by another name, with what all of one team have in common."""

# ruff: noqa: F821


def team_images(name, team, sources=("images.txt",), **kwargs):
    docker_mirror_images(
        name=name,
        sources=sources,
        tags=[team],
        overrides={"api": {"image_tags": ["approved-by-" + team]}},
        **kwargs,
    )
