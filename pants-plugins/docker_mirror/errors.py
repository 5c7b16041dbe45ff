"""The base of the errors that users meet."""

from __future__ import annotations


class DockerMirrorError(Exception):
    """Says what is wrong, where, and what to do about it; needs no stack trace to be understood."""


class HelperError(DockerMirrorError):
    """The helper can't be had; the message says why and what to do."""
