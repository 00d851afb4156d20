"""The three systems of a case, opened with its settings and secrets."""

from __future__ import annotations

from kit import secrets
from kit.case import Case
from kit.directory import Directory
from kit.mim import SynchronizationService
from kit.sharepoint import SharePoint


def directory(case: Case) -> Directory:
    """Open Active Directory; a context manager that connects on first use."""
    settings = case.directory
    return Directory(
        settings.url,
        settings.username,
        secrets.read(case, settings.password_name),
        base_dn=settings.base_dn,
        ca_file=case.ca_file(settings),
        verify_tls=settings.verify_tls,
        start_tls=settings.start_tls,
        page_size=settings.page_size,
        timeout=settings.timeout,
        user_filter=settings.user_filter,
    )


def sharepoint(case: Case) -> SharePoint:
    """Open SharePoint; a context manager that connects on first use."""
    settings = case.sharepoint
    return SharePoint(
        settings.url,
        settings.username,
        secrets.read(case, settings.password_name),
        auth=settings.auth,
        ca_file=case.ca_file(settings),
        verify_tls=settings.verify_tls,
        timeout=settings.timeout,
    )


def synchronization(case: Case) -> SynchronizationService:
    """Open the synchronization service; a context manager that connects on first use."""
    settings = case.mim
    return SynchronizationService(
        settings.url,
        settings.username,
        secrets.read(case, settings.password_name),
        auth=settings.auth,
        ca_file=case.ca_file(settings),
        verify_tls=settings.verify_tls,
        poll_interval=settings.poll_interval,
    )
