"""Measures image mirroring tools side by side, on loopback only. `bench/README.md` tells how and what."""
