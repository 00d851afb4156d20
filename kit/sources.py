"""The three systems of a case, opened with its settings and secrets."""

from __future__ import annotations

from kit import secrets
from kit.case import Case, SystemSettings
from kit.directory import Directory
from kit.endpoint import Endpoint
from kit.mim import SynchronizationService
from kit.sharepoint import SharePoint


def directory(case: Case) -> Directory:
    """Open Active Directory; a context manager that connects on first use."""
    settings = case.directory
    return Directory(
        endpoint(case, settings),
        base_dn=settings.base_dn,
        start_tls=settings.start_tls,
        page_size=settings.page_size,
        user_filter=settings.user_filter,
    )


def sharepoint(case: Case) -> SharePoint:
    """Open SharePoint; a context manager that connects on first use."""
    return SharePoint(endpoint(case, case.sharepoint))


def synchronization(case: Case) -> SynchronizationService:
    """Open the synchronization service; a context manager that connects on first use."""
    settings = case.mim
    return SynchronizationService(endpoint(case, settings), poll_interval=settings.poll_interval)


def endpoint(case: Case, settings: SystemSettings) -> Endpoint:
    """Return where one of the case's systems is and as whom to sign in, the password read by its name."""
    return Endpoint(
        settings.url,
        settings.username,
        secrets.read(case, settings.password_name),
        settings.auth,
        ca_file=case.ca_file(settings),
        verify_tls=settings.verify_tls,
        timeout=settings.timeout,
    )
