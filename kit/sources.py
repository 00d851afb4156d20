"""The three systems of a case, opened with its settings and secrets."""

from __future__ import annotations

from dataclasses import replace

from kit import secrets
from kit.case import Case, DirectorySettings, SystemSettings
from kit.directory import Directory
from kit.endpoint import Endpoint
from kit.errors import CaseError
from kit.forest import Forest
from kit.manners import Manners
from kit.mim import SynchronizationService
from kit.sharepoint import SharePoint


def directory(case: Case) -> Directory | Forest:
    """Open Active Directory, in every domain that the case names; it connects on first use."""
    settings = case.directory
    first = _domain(case, settings, settings.base_dn)
    further = [
        _domain(case, settings.model_copy(update={"url": url}), "") for url in settings.further_domains
    ]
    return Forest([first, *further]) if further else first


def sharepoint(case: Case) -> SharePoint:
    """Open SharePoint; a context manager that connects on first use."""
    settings = case.sharepoint
    manners = Manners(
        attempts=settings.attempts,
        requests_per_second=settings.requests_per_second,
        connections=settings.connections,
    )
    return SharePoint(
        endpoint(case, settings),
        manners=manners,
        my_site=settings.my_site,
        hosts=settings.hosts,
        use_proxy=settings.use_proxy,
    )


def as_test_account(case: Case) -> SharePoint:
    """Open SharePoint as the test account of the experiment.

    Raises
    ------
    CaseError
        The case names none.
    """
    if case.experiment is None:
        what, cause = f"case '{case.case_id}' has no test account", "there is no section 'experiment'"
        raise CaseError(what, cause, "add it to the case file, as in the README")
    sign_in = case.experiment.model_dump(include={"username", "password_name"})
    settings = case.sharepoint.model_copy(update=sign_in)
    return sharepoint(case.model_copy(update={"sharepoint": settings}))


def synchronization(case: Case) -> SynchronizationService:
    """Open the synchronization service; a context manager that connects on first use."""
    settings = case.mim
    signed = endpoint(case, settings)
    if settings.certificate_file and settings.key_file:
        certificate, key = case.resolve(settings.certificate_file), case.resolve(settings.key_file)
        signed = replace(signed, certificate_file=certificate, key_file=key)
    return SynchronizationService(signed, poll_interval=settings.poll_interval)


def _domain(case: Case, settings: DirectorySettings, base_dn: str) -> Directory:
    return Directory(
        endpoint(case, settings),
        base_dn=base_dn,
        start_tls=settings.start_tls,
        clear_text=settings.clear_text,
        page_size=settings.page_size,
        user_filter=settings.user_filter,
    )


def endpoint(case: Case, settings: SystemSettings) -> Endpoint:
    """Return where one of the case's systems is and as whom to sign in, the password read by its name."""
    return Endpoint(
        settings.url,
        settings.username,
        secrets.read(case, settings.password_name) if settings.password_name else "",
        settings.auth,
        ca_file=case.ca_file(settings),
        verify_tls=settings.verify_tls,
        timeout=settings.timeout,
    )
