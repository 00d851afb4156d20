"""Two domains of one forest, each on a domain controller of its own, read as one."""

import crowd
import people
import pytest

from kit.delta import Delta
from kit.directory import DomainName
from kit.errors import ConflictError, ParameterError, UnreachableError
from kit.forest import Forest
from kit.lab import directory as embedded
from kit.lab.domain import Domain, Entry
from kit.store import PhotoStore

EMEA = Domain("emea.contoso.example", "EMEA")
DOMAINS = (people.DOMAIN, EMEA)


def entry(domain, name, **attributes):
    """Make a user of that name; the same name may be in both domains."""
    made = people.user(name, name, **attributes)
    return Entry(made.dn.replace(people.BASE, domain.base_dn), made.attributes)


def start(domain, folder):
    entries = [
        entry(domain, "anna", thumbnailPhoto=domain.netbios_name),
        entry(domain, f"only-{domain.netbios_name}"),
    ]
    return embedded.start(domain, entries, people.ACCOUNTS, folder, forest=DOMAINS)


@pytest.fixture
def servers(tmp_path):
    running = [start(domain, tmp_path / domain.netbios_name) for domain in DOMAINS]
    yield running
    for server in running:
        server.stop()


@pytest.fixture
def forest(servers):
    with Forest([crowd.connect(server, people.WRITER) for server in servers]) as opened:
        yield opened


def annas(forest, **options):
    return {user.account: user for user in forest.users(extra_filter="(sAMAccountName=anna)", **options)}


def test_accounts_carry_the_name_of_their_own_domain(forest):
    assert list(annas(forest)) == ["contoso\\anna", "emea\\anna"]


def test_everybody_of_both_domains_is_read(forest):
    names = {user.account for user in forest.users()}
    assert {"contoso\\only-contoso", "emea\\only-emea"} <= names


def test_photos_are_found_in_whichever_domain_they_are(forest):
    wanted = {user.person: user.account for user in annas(forest).values()}
    found = {wanted[person]: photo for person, photo in forest.photos(wanted, batch=1)}
    assert found == {"contoso\\anna": b"CONTOSO", "emea\\anna": b"EMEA"}


def test_people_of_both_domains_are_present(forest):
    wanted = {user.person for user in annas(forest).values()}
    assert set(forest.present([*wanted, "00000000-0000-0000-0000-000000000001"])) == wanted


def test_a_photo_is_written_in_its_own_domain(forest):
    emea = annas(forest)["emea\\anna"]
    forest.replace_photo(emea.distinguished_name, b"new", current=b"EMEA")
    photos = {account: user.photo for account, user in annas(forest, photos=True).items()}
    assert photos == {"contoso\\anna": b"CONTOSO", "emea\\anna": b"new"}


def test_a_conflict_names_the_domain_controller(forest, servers):
    emea = annas(forest)["emea\\anna"]
    with pytest.raises(ConflictError, match=rf"anna.*{servers[1].url}"):
        forest.replace_photo(emea.distinguished_name, b"new", current=b"CONTOSO")


def test_a_domain_that_nobody_serves_is_refused(forest):
    with pytest.raises(ParameterError, match=r"CN=anna,DC=fabrikam,DC=example.*do not serve its domain"):
        forest.replace_photo("CN=anna,DC=fabrikam,DC=example", b"new", current=None)


def test_rights_are_asked_of_the_objects_own_domain(forest):
    emea = annas(forest)["emea\\anna"]
    assert "thumbnailPhoto" in forest.writable_attributes(emea.distinguished_name)


def test_a_domain_that_dies_is_named_and_the_others_were_read(forest, servers):
    servers[1].stop()
    read = []
    with pytest.raises(UnreachableError, match=servers[1].url):
        read.extend(forest.users())
    assert {user.account.partition("\\")[0] for user in read} == {"contoso"}


def test_a_controller_knows_the_forests_domains(forest):
    expected = [
        DomainName("contoso.example", "CONTOSO", "DC=contoso,DC=example"),
        DomainName("emea.contoso.example", "EMEA", "DC=emea,DC=contoso,DC=example"),
    ]
    assert [directory.domains() for directory in forest.directories] == [expected, expected]


def test_watermarks_of_two_controllers_are_told_apart(forest):
    first, second = (directory.watermark() for directory in forest.directories)
    assert first.controller != second.controller
    assert forest.directories[1].changed_since(first).full


def test_a_dead_domain_keeps_nobody_else_from_being_read(servers, forest):
    servers[0].stop()
    read = []
    with pytest.raises(UnreachableError, match=servers[0].url):
        read.extend(user.account for user in forest.users())
    assert "emea\\only-emea" in read


def test_a_dead_domain_leaves_its_own_people_without_an_answer(servers, forest, tmp_path):
    everybody = [(user.person, user.distinguished_name) for user in forest.users()]
    servers[1].stop()
    with PhotoStore(tmp_path / "photos.sqlite") as store:
        delta = Delta(forest, store)
        found = delta.photos(everybody)
    assert {name for person, name in everybody if person not in found} == {
        name for _, name in everybody if name.endswith(EMEA.base_dn)
    }
    assert str(delta.failure(f"CN=anna,OU=Staff,{EMEA.base_dn}")).startswith(f"directory '{servers[1].url}'")


def test_the_only_domain_that_is_dead_is_an_error(servers, tmp_path):
    servers[0].stop()
    with (
        PhotoStore(tmp_path / "photos.sqlite") as store,
        crowd.connect(servers[0]) as directory,
        pytest.raises(UnreachableError),
    ):
        Delta(directory, store)
