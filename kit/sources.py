"""The three systems of a case, opened with its settings and secrets."""

from __future__ import annotations

from typing import Any

from kit import secrets
from kit.case import Case, DirectorySettings, MimSettings, SharePointSettings
from kit.directory import Directory
from kit.mim import SynchronizationService
from kit.sharepoint import SharePoint


def directory(case: Case) -> Directory:
    """Open Active Directory; a context manager that connects on first use."""
    settings = case.directory
    return Directory(
        **_sign_in(case, settings),
        base_dn=settings.base_dn,
        start_tls=settings.start_tls,
        page_size=settings.page_size,
        timeout=settings.timeout,
        user_filter=settings.user_filter,
    )


def sharepoint(case: Case) -> SharePoint:
    """Open SharePoint; a context manager that connects on first use."""
    settings = case.sharepoint
    return SharePoint(**_sign_in(case, settings), auth=settings.auth, timeout=settings.timeout)


def synchronization(case: Case) -> SynchronizationService:
    """Open the synchronization service; a context manager that connects on first use."""
    settings = case.mim
    return SynchronizationService(
        **_sign_in(case, settings), auth=settings.auth, poll_interval=settings.poll_interval
    )


def _sign_in(case: Case, settings: DirectorySettings | SharePointSettings | MimSettings) -> dict[str, Any]:
    return {
        "url": settings.url,
        "username": settings.username,
        "password": secrets.read(case, settings.password_name),
        "ca_file": case.ca_file(settings),
        "verify_tls": settings.verify_tls,
    }
