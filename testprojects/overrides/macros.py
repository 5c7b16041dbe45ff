"""What the BUILD files of this repository can call.

`mirror_external` is the macro of the discussion of Pants' pull request 20382. There, an image is published where its
target has the tag "publish"; here, a copy has that label, and `mirror --label=publish` takes no others.
"""

# The targets are Pants' own globals in a BUILD file. A prelude can't import, and Pants 2.17 runs it with Python 3.9.
# ruff: noqa: F821


def mirror_external(
    image=None,
    *,
    images_file=None,
    images_files=None,
    version=None,
    latest=False,
    append_build_number=True,
    append_build_number_separator="-",
    publish=False,
    publish_images=None,
    **kwargs,
):
    """Mirrors one image, or those of one or more spec files.

    :param image: a repository with `version`, else an image with its tag. Its tag at the destination has the build
        number after it, unless `append_build_number` is false; with `latest`, it gets that tag, too.
    :param images_file, images_files: spec files, whose images keep their tags.
    :param publish: labels all images "publish".
    :param publish_images: labels only these images of spec files, by `AS` name or image.
    :param kwargs: fields of the target.
    """
    if images_file is not None:
        if images_files is not None:
            raise ValueError("mirror_external: `images_file` or `images_files`, not both")
        images_files = [images_file]
    if (image is None) == (images_files is None):
        raise ValueError("mirror_external: an image, or `images_file` or `images_files`")
    labels = [*kwargs.pop("tags", ()), *(["publish"] if publish else [])]

    if images_files is not None:
        if version is not None or latest:
            raise ValueError("mirror_external: `version` and `latest` are for one image; those of spec files have tags")
        overrides = dict(kwargs.pop("overrides", {}))
        for name in publish_images or ():
            override = overrides.get(name, {})
            overrides[name] = {**override, "tags": [*override.get("tags", ()), "publish"]}
        docker_mirror_images(sources=images_files, overrides=overrides, tags=labels, **kwargs)
        return

    if publish_images is not None:
        raise ValueError("mirror_external: `publish_images` is for spec files; one image has `publish`")
    build_number = append_build_number_separator + "{build_args.BUILD_NUMBER}" if append_build_number else ""
    docker_mirror_inline_image(
        image=image if version is None else f"{image}:{version}",
        image_tags=["{tag}" + build_number, *(["latest"] if latest else [])],
        tags=labels,
        **kwargs,
    )
