"""What is done to people of the practice farm so that a photo goes astray; `kit.lab.plantings` says when."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus
from urllib.parse import urlsplit

from kit.addresses import rebased
from kit.lab import foreign
from kit.lab.grounds import Grounds
from kit.lab.picture_library import FOLDER, Delivery, renditions
from kit.lab.population import Person, new_photo, original_photo
from kit.lab.portraits import portrait, reencode, retake
from kit.lab.site import DIRECTORY_AGENT, SHAREPOINT_AGENT
from kit.profiles import normalise_account, picture_seconds

Deed = Callable[[Grounds, Person], None]

SECOND_PROFILE = "i:05.t|adfs|{name}@contoso.example"
STRANGER = "i:05.t|fabrikam|{name}"
FOREIGN_PREFIX = "WRONG"
_COMMENT = b"\xff\xfe"
_LONGEST_COMMENT = 65_533
_LATER = 1_000_003  # from one sitting's seed to that of another one


# Uploads and files.


def upload(grounds: Grounds, person: Person) -> None:
    """Upload a new picture."""
    grounds.upload(person, new_photo(person))


def upload_another(grounds: Grounds, person: Person) -> None:
    """Upload a picture of yet another sitting."""
    grounds.upload(person, _of_another_sitting(person))


def upload_tiny(grounds: Grounds, person: Person) -> None:
    """Upload a picture smaller than a thumbnail, which nothing enlarges."""
    grounds.upload(person, reencode(new_photo(person), 48, 92))


def upload_elsewhere(grounds: Grounds, person: Person) -> None:
    """Upload the old picture while the library's folder has the name of another language."""
    library = grounds.store.picture_library
    grounds.store.remove_picture(grounds.account(person))
    library.folder = "/User Photos/Profilbilder"
    grounds.upload(person, original_photo(person))
    library.folder = FOLDER


def delete_files(grounds: Grounds, person: Person) -> None:
    """Delete every file of the picture."""
    grounds.store.delete_files(grounds.account(person))


def delete_medium(grounds: Grounds, person: Person) -> None:
    """Delete the medium thumbnail alone."""
    grounds.store.delete_file(grounds.account(person), "M")


def import_raw(grounds: Grounds, person: Person) -> None:
    """Import a picture as SharePoint itself does from Active Directory, and lose the raw file."""
    grounds.store.import_picture(grounds.account(person), original_photo(person))
    delete_files(grounds, person)


def import_raw_for_claim(grounds: Grounds, person: Person) -> None:
    """Do the same to a profile that was made in claims mode."""
    grounds.store.use_claim(grounds.account(person))
    import_raw(grounds, person)


def fatten(byte_count: int) -> Deed:
    """Make the medium thumbnail a file of so many bytes more, as what cameras add does."""

    def deed(grounds: Grounds, person: Person) -> None:
        account = grounds.account(person)
        grounds.store.replace_file(account, "M", _with_comments(_thumbnail(person), byte_count))

    return deed


# What answers for a picture.


def show_sign_in_page(grounds: Grounds, person: Person) -> None:
    """Answer for the picture with a page that asks for a sign-in."""
    grounds.store.deliver(grounds.account(person), Delivery.SIGN_IN_PAGE)


def throttle(grounds: Grounds, person: Person) -> None:
    """Be too busy for the picture, whoever asks."""
    grounds.store.deliver(grounds.account(person), Delivery.BUSY)


def cache(grounds: Grounds, person: Person) -> None:
    """Answer for the picture with another one that a cache still has."""
    grounds.store.cache(grounds.account(person), _thumbnail(person))


def name_host_that_refuses(grounds: Grounds, person: Person) -> None:
    """Let the profile name a host that takes nobody's sign-in."""
    _name(grounds, person, grounds.keep(foreign.start(HTTPStatus.UNAUTHORIZED)))


def name_host_without_trust(grounds: Grounds, person: Person) -> None:
    """Let the profile name a host whose certificate nobody trusts."""
    _name(grounds, person, grounds.keep(foreign.start_untrusted(grounds.folder / person.account_name)))


def name_old_host(grounds: Grounds, person: Person) -> None:
    """Let the profile name the host that the library has left."""
    _name(grounds, person, grounds.keep(foreign.start(HTTPStatus.NOT_FOUND)))


def name_old_path(grounds: Grounds, person: Person) -> None:
    """Let the profile name a managed path at which the library is not."""
    parts = urlsplit(_picture_url(grounds, person))
    _rewrite(grounds, person, PictureURL=parts._replace(path=f"/my{parts.path}").geturl())


# Profiles.


def let_exchange_own(grounds: Grounds, person: Person) -> None:
    """Let Exchange own the picture, and write its small one into the directory."""
    _rewrite(grounds, person, **{"SPS-PictureExchangeSyncState": "1"})
    grounds.write_photo(person, reencode(_of_another_sitting(person), 48, 92))


def make_second_profile(grounds: Grounds, person: Person) -> None:
    """Move the picture to a second profile of the same person."""
    second = SECOND_PROFILE.format(name=person.account_name)
    grounds.store.create(second, {"PreferredName": person.display_name, "WorkEmail": person.mail})
    grounds.store.upload(second, new_photo(person))
    grounds.store.remove_picture(grounds.account(person))


def spoil_profile(grounds: Grounds, person: Person) -> None:
    """Put a character into the profile that XML cannot have."""
    _rewrite(grounds, person, Title=f"{person.title}\x07")


def prefix_wrongly(grounds: Grounds, person: Person) -> None:
    """Have the profile created under a domain that is not the account's."""
    grounds.service.sharepoint.prefixes[person.account_name] = FOREIGN_PREFIX


def be_early(grounds: Grounds, person: Person) -> None:
    """Set the picture's time by a clock that is two hours ahead."""
    ahead = grounds.clock.now() + timedelta(hours=2)
    _rewrite(grounds, person, **{"SPS-PictureTimestamp": str(picture_seconds(ahead))})


def keep_site_copy(grounds: Grounds, person: Person) -> None:
    """Let the site show the address that the picture had before."""
    grounds.site.user_information.hold(grounds.account(person), _old_address(grounds, person))


def keep_search_row(grounds: Grounds, person: Person) -> None:
    """Let people search show the address that the picture had before."""
    grounds.site.search_index.hold(grounds.account(person), _old_address(grounds, person))


# The synchronization service.


def leave_out(grounds: Grounds, person: Person) -> None:
    """Let the SharePoint agent read the profile no more."""
    grounds.service.sharepoint.left_out.add(normalise_account(grounds.account(person)))


def let_in(grounds: Grounds, person: Person) -> None:
    """Let the SharePoint agent read the profile again."""
    grounds.service.sharepoint.left_out.discard(normalise_account(grounds.account(person)))


def let_in_renamed(grounds: Grounds, person: Person) -> None:
    """Let the SharePoint agent read the profile again, with a user name that joins nobody."""
    _rewrite(grounds, person, UserName=f"E{person.portrait_seed:08d}")
    let_in(grounds, person)


def give_way_to_stranger(grounds: Grounds, person: Person) -> None:
    """Let somebody of another company, with the same user name, be joined in the person's place."""
    leave_out(grounds, person)
    stranger = STRANGER.format(name=person.account_name)
    mail = f"{person.account_name}@fabrikam.example"
    grounds.store.create(
        stranger, {"UserName": person.account_name, "PreferredName": "A stranger", "WorkEmail": mail}
    )
    grounds.store.upload(stranger, portrait(person.portrait_seed + 2 * _LATER, size=360))


def fail_synchronization(error_type: str) -> Deed:
    """Let the synchronization of the person's SharePoint object fail with an error."""

    def deed(grounds: Grounds, person: Person) -> None:
        disturbances = grounds.engine.disturbances
        disturbances.fail_synchronizations(SHAREPOINT_AGENT, error_type, [person.account_name])

    return deed


def refuse_export(error_type: str) -> Deed:
    """Let the directory agent's export of the photo fail with an error."""

    def deed(grounds: Grounds, person: Person) -> None:
        grounds.engine.disturbances.fail_exports(DIRECTORY_AGENT, error_type, [person.account_name])

    return deed


def leave_scope(grounds: Grounds, person: Person) -> None:
    """Move the account out of the directory agent's scope, which a delta import reports as a deletion."""
    grounds.service.directory.left_out.add(person.account_name)
    grounds.service.writer.replace(grounds.distinguished_name(person), "description", "moved")


# The directory.


def overwrite(grounds: Grounds, person: Person) -> None:
    """Write another photo into the directory by hand."""
    grounds.write_photo(person, reencode(_of_another_sitting(person), 96))


def fall_behind(grounds: Grounds, person: Person) -> None:
    """Let the domain controller that is asked hold the photo of the export before the last one."""
    exports = [run for run in grounds.engine.runs(DIRECTORY_AGENT) if run.profile == "Export"]
    earlier = exports[1].started
    grounds.embedded.fall_behind(grounds.distinguished_name(person), _thumbnail(person), earlier)


def _of_another_sitting(person: Person) -> bytes:
    return retake(person.portrait_seed, person.new_portrait_seed + _LATER)


def _thumbnail(person: Person) -> bytes:
    """Return what SharePoint makes of the picture that the person uploads."""
    return renditions(new_photo(person))["M"]


def _picture_url(grounds: Grounds, person: Person) -> str:
    return grounds.store.get(grounds.account(person)).properties["PictureURL"]


def _old_address(grounds: Grounds, person: Person) -> str:
    return _picture_url(grounds, person).replace("_MThumb", "_old_MThumb")


def _rewrite(grounds: Grounds, person: Person, **properties: str) -> None:
    grounds.store.rewrite(grounds.account(person), properties)


def _name(grounds: Grounds, person: Person, host: str) -> None:
    _rewrite(grounds, person, PictureURL=rebased(_picture_url(grounds, person), host))


def _with_comments(photo: bytes, byte_count: int) -> bytes:
    """Put comments into a JPEG, behind its first marker (ITU-T T.81, B.2.4.5)."""
    comments = b""
    while byte_count > 0:
        text = bytes(min(byte_count, _LONGEST_COMMENT))
        comments += _COMMENT + (len(text) + 2).to_bytes(2, "big") + text
        byte_count -= len(text)
    return photo[:2] + comments + photo[2:]
