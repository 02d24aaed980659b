"""Checks of chapter 01."""

from __future__ import annotations

from tutorlib.checks import Check

CHECKS: tuple[Check, ...] = ()
