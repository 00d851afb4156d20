"""Causes in SharePoint's own store: the profile, the address it names, and the files that are there."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from kit import locations, signs
from kit.cause import Cause, drifted, graded, nobody
from kit.causes import imports
from kit.observation import Observation

_EXCHANGE_SIDE = 48
"""Pixels of the photo that Exchange writes into Active Directory."""


def _matched(observation: Observation) -> pd.Series:
    return observation.people["in_directory"] & observation.people["in_sharepoint"]


def _no_picture(observation: Observation) -> pd.Series:
    people = observation.people
    empty = _matched(observation) & people["picture_url"].str.strip().eq("") & people["error_kind"].eq("")
    removed_by_export = people["verdict"].eq("no_photo") & people["writer"].eq("synchronization_service")
    second = people["account"].isin(people["profile_of"])
    judged = people["verdict"].isin(["no_photo", "missing_in_sharepoint"])
    return graded(observation, confirmed=empty & judged & ~removed_by_export & ~second)


def _lost(loss: str) -> Callable[[Observation], pd.Series]:
    """Return the rule for pictures whose file is not there for one reason; see `kit.locations.LOSSES`."""

    def applies(observation: Observation) -> pd.Series:
        lost = locations.astray(observation) & locations.losses(observation).eq(loss)
        return graded(
            observation, probable=lost & (not observation.my_site), confirmed=lost & bool(observation.my_site)
        )

    return applies


def _file_missing(observation: Observation) -> pd.Series:
    people = observation.people
    lost = locations.astray(observation) & locations.losses(observation).eq("deleted")
    log_known = locations.log_forgot(observation) | bool(people["change_logged_at"].notna().any())
    return graded(observation, probable=lost, confirmed=lost & people["thumbnails"].eq("-") & log_known)


def _incomplete(observation: Observation) -> pd.Series:
    lost = locations.astray(observation) & locations.losses(observation).eq("incomplete")
    return graded(observation, confirmed=lost)


def _imported(*, claims: bool) -> Callable[[Observation], pd.Series]:
    def applies(observation: Observation) -> pd.Series:
        people, places = observation.people, locations.locate(observation)
        named = people["profile_account"].str.contains("|", regex=False).eq(claims)
        imported = locations.astray(observation) & (places["relative"] | places["form"].eq("imported"))
        lost = locations.losses(observation).eq("imported")
        return graded(observation, suspected=imported & named, confirmed=imported & named & lost)

    return applies


def _moved(observation: Observation) -> pd.Series:
    people, places = observation.people, locations.locate(observation)
    lost = locations.astray(observation) & locations.losses(observation).eq("moved")
    silent = (
        locations.astray(observation)
        & ~places["at_home"]
        & people["picture_kind"].eq("unreachable")
        & ~people["error"].str.contains(r"certificate|HTTP (?:503|429)\b|was not asked", case=False)
    )
    known = bool(observation.my_site)
    return graded(observation, probable=lost | silent, confirmed=(lost | silent) & known)


def _other_language(observation: Observation) -> pd.Series:
    people, places = observation.people, locations.locate(observation)
    here = places["at_home"] & places["home_path"] & places["form"].eq("thumbnail")
    readable = people["picture_kind"].eq("image") & ~drifted(observation)
    return graded(observation, confirmed=readable & here & ~places["usual_folder"])


def _placeholder(observation: Observation) -> pd.Series:
    people = observation.people
    placeholder = people["verdict"].eq("placeholder") & people["sharepoint_sha256"].ne("")
    return graded(observation, confirmed=placeholder & ~signs.stand_in(observation))


def _exchange(observation: Observation) -> pd.Series:
    people = observation.people
    owned = (
        locations.astray(observation)
        & people["exchange_sync_state"].eq(1)
        & people["directory_sha256"].ne("")
    )
    owned &= people["writer"].ne("synchronization_service")
    small = people["directory_photo_side"].eq(_EXCHANGE_SIDE)
    later = people["directory_changed_at"].gt(people["picture_timestamp"])
    earlier = people["directory_changed_at"].le(people["picture_timestamp"])
    return graded(
        observation,
        suspected=owned,
        probable=owned & small & ~earlier,
        confirmed=owned & people["writer"].eq("another_writer") & later,
    )


def _editable(observation: Observation) -> str:
    return "confirmed" if observation.picture_editable is False else ""


def _two_profiles(observation: Observation) -> pd.Series:
    people = observation.people
    second = people["profile_of"].ne("")
    with_picture = second & people["picture_url"].ne("")
    owner = drifted(observation) & people["account"].isin(people.loc[second, "profile_of"])
    bereft = owner & people["account"].isin(people.loc[with_picture, "profile_of"])
    same_account = people["error_kind"].eq("Duplicate") & people["error"].str.contains(
        "SharePoint", regex=False
    )
    return graded(
        observation,
        suspected=owner,
        probable=(bereft & people["picture_url"].ne("")) | (second & ~with_picture),
        confirmed=(bereft & people["picture_url"].eq("")) | with_picture | same_account,
    )


def _no_profile(observation: Observation) -> pd.Series:
    people = observation.people
    alone = people["verdict"].eq("unmatched") & people["in_directory"] & ~people["in_sharepoint"]
    return graded(observation, confirmed=alone & ~_has_namesake(observation))


def _no_account(observation: Observation) -> pd.Series:
    people = observation.people
    alone = people["verdict"].eq("unmatched") & people["in_sharepoint"] & ~people["in_directory"]
    disabled = _matched(observation) & people["enabled"].eq(False)
    return graded(
        observation,
        suspected=disabled & drifted(observation),
        confirmed=alone & people["profile_of"].eq("") & ~_has_namesake(observation),
    )


def _has_namesake(observation: Observation) -> pd.Series:
    """Tell who is in one system only, as the same person is in the other, in an unknown domain."""
    return imports.wrong_domain_prefix(observation).ne("")


CAUSES = (
    Cause(
        name="imported_without_thumbnails",
        symptom="SharePoint shows no picture, though the profile has an address",
        checked="an address as the import leaves it, relative or <guid>_<number>.jpg",
        evidence=("picture_url", "profile_account", "picture_kind"),
        cause="The photo was imported from Active Directory, and thumbnails were never made of it.",
        refuted_by="the medium thumbnail exists and the profile names it",
        fix="Run Update-SPProfilePhotoStore -CreateThumbnailsForImportedPhotos 1, then a full import.",
        next_notebook="",
        applies=_imported(claims=False),
    ),
    Cause(
        name="thumbnails_fail_for_claims_account",
        symptom=(
            "Update-SPProfilePhotoStore fails with 'A Dos path must be rooted' and the person has no picture"
        ),
        checked="an address as the import leaves it, on a profile whose account is a claim",
        evidence=("picture_url", "profile_account", "picture_kind"),
        cause=(
            "Thumbnails cannot be made of an imported photo with a relative address where the account is a "
            "claim."
        ),
        refuted_by="the cmdlet goes through for this person",
        fix=(
            "Upload the picture for the person, or make the thumbnails by a script; look for the farm's next "
            "update."
        ),
        next_notebook="",
        applies=_imported(claims=True),
    ),
    Cause(
        name="my_site_host_moved",
        symptom="pictures are broken for those who have not uploaded one since the move",
        checked="the host that the address names against today's My Site host",
        evidence=("picture_url", "picture_kind", "farm: address of the My Site host"),
        cause="The My Site host has another name, scheme or port now, and the profile names the former one.",
        refuted_by="the picture can be read at the address that the profile names",
        fix="Run Update-SPProfilePhotoStore with -OldBaseUri and -NewBaseUri, then a full import.",
        next_notebook="",
        applies=_moved,
    ),
    Cause(
        name="managed_path_changed",
        symptom="pictures are broken for those who have not uploaded one since the move",
        checked="the managed path in the address against that of today's My Site host",
        evidence=("picture_url", "picture_kind", "farm: address of the My Site host"),
        cause=(
            "The My Site host was moved to another managed path, such as from / to /my, and the profile "
            "names the former one."
        ),
        refuted_by="the picture can be read at the address that the profile names",
        fix="Run Update-SPProfilePhotoStore with -OldBaseUri and -NewBaseUri, then a full import.",
        next_notebook="",
        applies=_lost("path"),
    ),
    Cause(
        name="thumbnails_incomplete",
        symptom="some pages show the picture and others do not",
        checked="which of the three sizes exist",
        evidence=("picture_url", "thumbnails"),
        cause=(
            "The medium thumbnail is not there, though others are: a script or the making of thumbnails "
            "stopped half-way."
        ),
        refuted_by="the medium thumbnail can be read",
        fix="Have the picture uploaded again, which makes all three sizes.",
        next_notebook="",
        applies=_incomplete,
        needs=("looks",),
    ),
    Cause(
        name="picture_file_missing",
        symptom="SharePoint shows a broken picture",
        checked="no file of any size at the address, and no recent change of the picture",
        evidence=("picture_url", "picture_kind", "thumbnails", "change_logged_at"),
        cause="The files were deleted or not restored with the database, long after the upload.",
        refuted_by="a file of any size is at the address, or the change log has a change of the picture",
        fix="Have the picture uploaded again, or restore the library; then run a full import.",
        next_notebook="",
        applies=_file_missing,
    ),
    Cause(
        name="placeholder_as_picture",
        symptom="a grey figure instead of a portrait",
        checked="whether SharePoint's picture is flat or a silhouette",
        evidence=("verdict", "detail", "placeholder_state"),
        cause="A stand-in was stored as the person's picture.",
        refuted_by="a person sees a portrait in the picture",
        fix="Clear the PictureURL of the profile, and have a portrait uploaded.",
        next_notebook="",
        applies=_placeholder,
    ),
    Cause(
        name="exchange_overwrites",
        symptom="the picture reverts hours after an upload",
        checked="SPS-PictureExchangeSyncState, and a small photo in AD that MIM did not write",
        evidence=(
            *("exchange_sync_state", "directory_photo_side", "writer", "directory_changed_at"),
            "picture_timestamp",
        ),
        cause="Exchange photo synchronization owns the picture and writes its own over it.",
        refuted_by="a last write of the photo in AD before the upload, or during an export of the agent",
        fix=(
            "Choose one master: set UserPhotoImportEnabled to false on the web application, or let Exchange "
            "write alone."
        ),
        next_notebook="",
        applies=_exchange,
    ),
    Cause(
        name="two_profiles",
        symptom="the person uploads a picture and sees it, and nobody else does",
        checked=(
            "a profile without an account in the directory that has the mail address of somebody who has one"
        ),
        evidence=("profile_of", "work_email", "picture_url", "error"),
        cause=(
            "The person has two profiles, as after a claims migration or a new account, and uploads to the "
            "other one."
        ),
        refuted_by="the two profiles belong to different people who share the address",
        fix="Merge them by Move-SPUser, or delete the stale one and have the picture uploaded again.",
        next_notebook="",
        applies=_two_profiles,
        needs=("looks",),
    ),
    Cause(
        name="picture_not_editable",
        symptom="people cannot change their picture",
        checked="IsUserEditable of the property PictureURL",
        evidence=("farm: the schema of user profiles",),
        cause="The profile property Picture may not be edited by users.",
        refuted_by="somebody can change the own picture",
        fix="Allow users to edit the values of the property Picture in the User Profile service application.",
        next_notebook="",
        applies=nobody,
        needs=("picture_editable",),
        farm=_editable,
    ),
    Cause(
        name="no_picture_in_sharepoint",
        symptom="no picture in SharePoint",
        checked="an empty PictureURL",
        evidence=("picture_url", "placeholder_state"),
        cause="The person has never uploaded a picture, or has taken it away.",
        refuted_by="the profile has a PictureURL",
        fix="Nothing is to be synchronized; ask the person for a picture.",
        next_notebook="",
        applies=_no_picture,
        harmless=True,
    ),
    Cause(
        name="library_language_changed",
        symptom="pictures are in a folder with another name than most",
        checked="the folder in the address against that of most pictures",
        evidence=("picture_url", "picture_kind"),
        cause="The language of the My Site host was another when the picture was uploaded first.",
        refuted_by="the folder is that of most pictures",
        fix="Nothing, unless scripts name the folder; an upload after the picture was deleted moves it.",
        next_notebook="",
        applies=_other_language,
        harmless=True,
    ),
    Cause(
        name="no_profile",
        symptom="an account without a profile",
        checked="an account in the directory of which SharePoint has no profile",
        evidence=("in_directory", "in_sharepoint", "kind"),
        cause="A filter leaves the account out, it was never provisioned, or its profile was deleted.",
        refuted_by="SharePoint gives a profile for the account when asked by name",
        fix="If the person should have a profile, correct the filter or the provisioning.",
        next_notebook="10_inventory",
        applies=_no_profile,
        harmless=True,
    ),
    Cause(
        name="no_account",
        symptom="a profile without an enabled account",
        checked="a profile whose account the directory does not have, or has disabled",
        evidence=("in_directory", "in_sharepoint", "enabled", "kind"),
        cause="The person has left and the profile was kept.",
        refuted_by="the directory has the account, enabled",
        fix="Delete obsolete profiles, and have accounts that are gone deprovisioned.",
        next_notebook="10_inventory",
        applies=_no_account,
        harmless=True,
    ),
)
"""In order of evaluation."""
