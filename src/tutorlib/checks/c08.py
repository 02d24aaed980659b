"""Checks of chapter 08."""

from __future__ import annotations

from tutorlib.checks import Check

CHECKS: tuple[Check, ...] = ()
