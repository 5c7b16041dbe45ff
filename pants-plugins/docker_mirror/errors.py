"""The base of the errors that users meet."""

from __future__ import annotations

EXIT_BAD_INPUT = 2
"""Of the helper and of the goals: something is wrong with what was asked for, and nothing was sent or written."""


class DockerMirrorError(Exception):
    """Says what is wrong, where, and what to do about it; needs no stack trace to be understood."""


class HelperError(DockerMirrorError):
    """The helper can't be had; the message says why and what to do."""
