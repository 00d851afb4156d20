"""Samba's realm for the tests that sign in with tickets."""

import importlib.util
import os

import people
import pytest

from kit.lab import samba
from kit.lab.domain import Account

SERVICE = Account("svc-web", "Web!service1")


def start(folder):
    """Start Samba with its KDC and everyone of `people`; SERVICE is there to put service names on."""
    if reason := missing():
        if os.environ.get("CI"):
            pytest.fail(f"the pipeline must test Kerberos: {reason}")
        pytest.skip(reason)
    accounts = (*people.ACCOUNTS, SERVICE)
    return samba.start(people.DOMAIN, people.entries(), accounts, folder, kerberos=True)


def missing():
    """Say why there can be no Kerberos here, empty if there can."""
    for package in ("gssapi", "krb5"):
        if importlib.util.find_spec(package) is None:
            return f"the package {package} is not installed"
    return samba.available()


def environment(monkeypatch, kerberos, cache=None):
    """Point this process to the realm, and to a ticket cache: the C library reads both at each use."""
    monkeypatch.setenv("KRB5_CONFIG", str(kerberos.configuration))
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{cache}" if cache else "MEMORY:nobody")


def take_ticket(kerberos, account, cache):
    """Put an account's ticket-granting ticket into a cache, as kinit does; `environment` comes first."""
    import krb5

    context = krb5.init_context()
    principal = krb5.parse_name_flags(context, f"{account.name}@{kerberos.realm}".encode())
    options = krb5.get_init_creds_opt_alloc(context)
    ticket = krb5.get_init_creds_password(context, principal, options, password=account.password.encode())
    tickets = krb5.cc_resolve(context, f"FILE:{cache}".encode())
    krb5.cc_initialize(context, tickets, principal)
    krb5.cc_store_cred(context, tickets, ticket)
