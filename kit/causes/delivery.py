"""Causes between the picture library and whoever downloads from it: sign-in, rights, names, load."""

from __future__ import annotations

from functools import partial

import pandas as pd

from kit import locations, signs
from kit.cause import Cause, graded
from kit.observation import Observation

_STOPPED = "stopped-extension-dll-exception"
_MOST = 0.5


def _sign_in_page(observation: Observation) -> pd.Series:
    people = observation.people
    page = people["picture_kind"].eq("login_page") & ~_zone_refuses(observation)
    told = people["detail"] + people["error"]
    other_page = people["verdict"].eq("unreadable") & told.str.contains("HTML page")
    return graded(
        observation,
        probable=locations.astray(observation) & other_page & ~people["picture_kind"].eq("login_page"),
        confirmed=locations.astray(observation) & page,
    )


def _refused(observation: Observation) -> pd.Series:
    """Tell whose picture was answered with the demand for a sign-in that is no Windows sign-in."""
    return observation.people["picture_kind"].eq("login_page") & observation.people["error_kind"].eq("SignIn")


def _zone_refuses(observation: Observation) -> pd.Series:
    """Tell whose picture was refused so, where most pictures were."""
    refused, asked = _refused(observation), observation.people["picture_kind"].ne("")
    return refused & bool(refused.sum() > _MOST * asked.sum())


def _zone_farm(observation: Observation) -> str:
    """Tell of a zone that refuses: this account, or the agent's, which cannot say that it wants Windows."""
    if not _zone_refuses(observation).any():
        if not _agent_met(observation, 403):
            return ""
        return "probable" if _read_here(observation) else "suspected"  # else it may be a matter of rights
    ended = _last_import(observation)
    return "confirmed" if ended == _STOPPED else "probable" if not ended else "suspected"


def _zone(observation: Observation) -> pd.Series:
    refused = _zone_refuses(observation)
    waits = _wait(observation) | observation.people["picture_kind"].eq("forbidden")
    return _for(observation, refused if refused.any() else waits, _zone_farm(observation))


def _imports(observation: Observation) -> pd.DataFrame:
    runs = signs.runs_of(observation, observation.sharepoint_agent, "full import", "delta import")
    return runs[runs["ended"].notna()]


def _last_import(observation: Observation) -> str:
    """Return how the last import of the SharePoint agent ended; empty where that is not known."""
    imports = _imports(observation)
    return str(imports["status"].iloc[0]) if len(imports) else ""


def _agent_met(observation: Observation, status: int) -> bool:
    """Tell whether the SharePoint agent's last import was stopped by an HTTP status."""
    if _last_import(observation) != _STOPPED:
        return False
    found, last = observation.incidents, _imports(observation)["run_number"].iloc[0]
    mine = found["agent"].str.casefold().eq(observation.sharepoint_agent.casefold())
    mine &= found["run_number"].eq(last).fillna(value=True).astype("bool")
    told = found["error_type"] + " " + found["detail"]
    return bool((mine & told.str.contains(rf"\b{status}\b")).any())


def _tell_status(status: int, observation: Observation) -> str:
    """Say that the SharePoint agent's last import met an HTTP status; nothing where it did not."""
    if not _agent_met(observation, status):
        return ""
    return f"The last import of {observation.sharepoint_agent} was stopped by HTTP {status}."


def _read_here(observation: Observation) -> bool:
    """Tell whether the case's account reads most of the pictures that it asks for."""
    kinds = observation.people["picture_kind"]
    return bool(kinds.eq("image").sum() > _MOST * kinds.ne("").sum())


def _wait(observation: Observation) -> pd.Series:
    """Tell whose photo is not in Active Directory, and not known to have met an import since."""
    people = observation.people
    none_since = ~people["full_import_since"] & ~people["delta_import_since"]
    return people["verdict"].isin(["stale", "missing_in_ad"]) & none_since


def _removed(observation: Observation) -> pd.Series:
    removed = locations.astray(observation) & locations.losses(observation).eq("removed")
    logged = observation.people["change_logged_at"].notna()
    return graded(observation, probable=removed, confirmed=removed & logged)


def _readable_at_home(observation: Observation) -> pd.Series:
    return observation.people["picture_kind"].eq("image") & locations.locate(observation)["at_home"]


def _may_not_be_read(observation: Observation) -> pd.Series:
    people = observation.people
    forbidden = locations.astray(observation) & people["picture_kind"].eq("forbidden")
    here = locations.locate(observation)["at_home"] | people["error"].str.contains("HTTP 403", regex=False)
    others = bool(_readable_at_home(observation).any())
    return graded(observation, probable=forbidden & here, confirmed=forbidden & here & others)


def _loopback_farm(observation: Observation) -> str:
    return "probable" if _read_here(observation) and _agent_met(observation, 401) else ""


def _loopback(observation: Observation) -> pd.Series:
    return _for(observation, _wait(observation), _loopback_farm(observation))


def _sign_in_fails(observation: Observation) -> pd.Series:
    people = observation.people
    elsewhere = ~locations.locate(observation)["at_home"]
    refused = people["picture_kind"].eq("forbidden") & ~people["error"].str.contains("HTTP 403", regex=False)
    others = bool(_readable_at_home(observation).any())
    found = locations.astray(observation) & elsewhere & refused
    return graded(observation, probable=found, confirmed=found & others)


def _throttled(observation: Observation) -> pd.Series:
    people = observation.people
    busy = people["picture_kind"].eq("unreachable") & people["error"].str.contains(r"HTTP (?:503|429)\b")
    return graded(observation, confirmed=locations.astray(observation) & busy)


def _not_trusted(observation: Observation) -> pd.Series:
    """Blame a certificate for whom a host told of it, and for others whom it was not asked about again."""
    people = observation.people
    unreachable = people["picture_kind"].eq("unreachable")
    told = unreachable & people["error"].str.contains("is not trusted", regex=False)
    told |= people["error_kind"].eq("Certificate")
    broken = unreachable & people["error"].str.contains("broke the TLS connection off", regex=False)
    hosts = people["picture_url"].str.extract(r"(?i)^\s*(https://[^/]*)", expand=False).str.lower()
    same_host = unreachable & hosts.isin(hosts[told].dropna())
    return graded(
        observation,
        probable=locations.astray(observation) & (same_host | broken),
        confirmed=locations.astray(observation) & told,
    )


def _for(observation: Observation, whom: pd.Series, certainty: str) -> pd.Series:
    """Give the certainty about the farm to the people whom it concerns."""
    return (
        graded(observation, **{certainty: locations.astray(observation) & whom})
        if certainty
        else graded(observation)
    )


CAUSES = (
    Cause(
        name="sign_in_page_as_picture",
        symptom="the picture is a broken image, or no image at all",
        checked="what the picture's address answers with",
        evidence=("picture_url", "picture_kind", "detail", "error"),
        cause=(
            "The address answers with a sign-in page, which was downloaded or stored as if it were a picture."
        ),
        refuted_by="the address gives a JPEG to the account of the SharePoint agent",
        fix=(
            "Open the address as the agent's account and see which sign-in it meets; give it Windows sign-in "
            "there. A page that was stored under the picture's name is mended by a new upload."
        ),
        next_notebook="",
        applies=_sign_in_page,
    ),
    Cause(
        name="my_site_zone_without_windows_sign_in",
        symptom="no photo arrives at all, and imports of the SharePoint agent die",
        checked=(
            "whether most pictures are refused with the demand for another sign-in, or 403 stopped the "
            "agent's last import"
        ),
        evidence=(
            "picture_kind",
            "error_kind",
            "full_import_since",
            "farm: the SharePoint agent's last import",
        ),
        cause="The zone of the My Site host that PictureURL names has forms or SAML sign-in only.",
        refuted_by="one picture's address gives a JPEG to an account that signs in by NTLM or Kerberos",
        fix=(
            "Make a zone with Windows sign-in the default zone of the My Site web application, or extend the "
            "application by one. Then run a full import of the SharePoint agent."
        ),
        next_notebook="10_inventory",
        applies=_zone,
        farm=_zone_farm,
        found=partial(_tell_status, 403),
    ),
    Cause(
        name="picture_removed_after_upload",
        symptom="the import of the SharePoint agent stops with 404 again and again; AD keeps the old photo",
        checked="a change of the picture in the change log, and no file of any size at its address",
        evidence=("picture_url", "picture_kind", "thumbnails", "change_logged_at"),
        cause=(
            "The picture was uploaded and its files were deleted, while the profile and the change log still "
            "name it."
        ),
        refuted_by="the medium thumbnail can be read, or the change log has no change of the picture",
        fix=(
            "Have the picture uploaded again, or clear the PictureURL of the profile; then run a full import."
        ),
        next_notebook="",
        applies=_removed,
        found=partial(_tell_status, 404),
    ),
    Cause(
        name="picture_may_not_be_read",
        symptom="some pictures are refused while others in the same library are read",
        checked="whether the file is forbidden to the case's account, and others beside it are not",
        evidence=("picture_url", "picture_kind", "error"),
        cause="The account that downloads has no right to read the file, or its library.",
        refuted_by="the agent's account can read the file, though the case's account cannot",
        fix=(
            "Give the agent's account, and the case's, Full Read on the My Site web application by a user "
            "policy, or remove the file's own permissions."
        ),
        next_notebook="",
        applies=_may_not_be_read,
    ),
    Cause(
        name="loopback_check",
        symptom="the import dies with 401, though the same picture can be read from elsewhere",
        checked="401 among the errors of the last import, while nearly all pictures can be read from here",
        evidence=(
            "farm: the SharePoint agent's last import",
            "picture_kind",
            "full_import_since",
        ),
        cause=(
            "The synchronization server refuses to sign in to a host name of its own (loopback check), or "
            "the agent's account may not read the pictures."
        ),
        refuted_by="the agent's account reads a picture on the synchronization server itself",
        fix=(
            "Read one picture as the agent's account on that server and elsewhere. If only the server fails, "
            "list the host in BackConnectionHostNames; if both do, give the account Full Read."
        ),
        next_notebook="",
        applies=_loopback,
        needs=("history",),
        farm=_loopback_farm,
        found=partial(_tell_status, 401),
    ),
    Cause(
        name="windows_sign_in_fails",
        symptom="pictures on one host are never read, while those on the My Site host are",
        checked="a host other than the My Site host that refuses the account",
        evidence=("picture_url", "picture_kind", "error"),
        cause=(
            "The picture is on a host whose Windows sign-in takes nobody: no or two service principal names, "
            "or another domain."
        ),
        refuted_by="the account signs in to that host by NTLM",
        fix=(
            "Compare a sign-in by NTLM with one by Kerberos on that host; correct its service principal name "
            "(setspn -Q HTTP/<host>), or move the pictures to the My Site host."
        ),
        next_notebook="",
        applies=_sign_in_fails,
    ),
    Cause(
        name="throttled",
        symptom="now and then a picture cannot be read",
        checked="503 or 429 for the picture after all attempts",
        evidence=("picture_url", "error"),
        cause="The web server was too busy for the request and refused it.",
        refuted_by="the picture can be read at a quiet hour by the same account",
        fix="Repeat off hours with fewer connections, and look at the web servers' X-SharePointHealthScore.",
        next_notebook="10_inventory",
        applies=_throttled,
    ),
    Cause(
        name="certificate_not_trusted",
        symptom="pictures on one host are never read",
        checked="the TLS connection and the certificate of the host that the address names",
        evidence=("picture_url", "error"),
        cause=(
            "The host of the picture has a certificate that is not trusted, has expired or names another "
            "host, or no version of TLS in common with the reader."
        ),
        refuted_by="the synchronization server opens the address without a warning",
        fix=(
            "Install the certificate's authority on the synchronization server (ca_file in the case file for "
            "the kit), or correct the certificate, the alternate access mapping or the versions of TLS."
        ),
        next_notebook="",
        applies=_not_trusted,
    ),
)
"""In order of evaluation."""
