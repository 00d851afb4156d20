"""Names of invented people: varied as in a real company, with what LDAP, XML and HTML must escape."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from random import Random

_LETTERS = str.maketrans({"ß": "ss", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "æ": "ae", "Æ": "Ae", "ı": "i"})  # noqa: RUF001 - meant


@dataclass(frozen=True)
class Name:
    """One person's name.

    Parameters
    ----------
    given, surname : str
        As the person writes them.
    display : str
        As the company shows it; unique.
    account : str
        sAMAccountName: ASCII, lower case, at most 20 characters; unique.
    """

    given: str
    surname: str
    display: str
    account: str


@dataclass(frozen=True)
class _Origin:
    """Names that go together; ``native/Latin`` where the script is not Latin."""

    women: str
    men: str
    surnames: str
    surname_first: bool = False


_WESTERN = _Origin(
    "Anna Emma Laura Claire Sophie Helen Rachel Grace Nora Alice Ruth Megan Hannah Julia",
    "Thomas Daniel Peter Oliver Henry Samuel Mark Simon Paul Adam David Lucas Martin Robin",
    "Miller Walker Bennett Foster Hughes Carter Morgan Hayes Palmer Reed Turner Ward Fisher Lane Marsh Holt",
)
_ORIGINS = (
    _WESTERN,
    _WESTERN,
    _WESTERN,
    _Origin(
        "Aoife Ciara Niamh Siobhán Orla",
        "Seán Liam Cormac Declan Pádraig",
        "O'Brien O'Neill D'Arcy Walsh Byrne",
    ),
    _Origin(
        "María Lucía Inés Carmen Noemí",
        "José Andrés Jesús Álvaro Iván",
        "García Muñoz Peña Núñez López-Vega Ibáñez",
    ),
    _Origin(
        "Zoë Chloé Amélie Hélène Inès",
        "René François Jérôme Gaël Noël",
        "Lefèvre Béranger Duprés Moreau Gauthier",
    ),
    _Origin(
        "Käthe Ulrike Jana Sabine Grit",
        "Jürgen Björn Götz Matthias Jörg",
        "Müller Weiß Schröder Köhler Groß-Lang Bauer",
    ),
    _Origin(
        "Åsa Sigrid Maja Linnéa Freja",
        "Søren Håkon Åke Lars Nils",
        "Østergård Lindström Bjørnsen Sjöberg Dahl",
    ),
    _Origin(
        "Agnieszka Łucja Elżbieta Zofia",
        "Łukasz Paweł Michał Wojciech",
        "Wójcik Żak Dąbrowska-Lis Zieliński Nowak",
    ),
    _Origin("Zeynep Ayşe Elif Defne", "Çağrı Emre Ömer Yiğit", "Yılmaz Öztürk Şahin Kaya Demir"),  # noqa: RUF001 - meant
    _Origin(
        "Priya Ananya Meera Kavita Divya",
        "Arjun Rahul Vikram Sanjay Nikhil",
        "Sharma Iyer Patel Rao Menon Kapoor",
    ),
    _Origin(
        "Amara Zainab Ngozi Thandi Abena",
        "Kwame Chidi Tunde Sipho Kofi",
        "Okafor Mensah Dlamini Adeyemi Boateng",
    ),
    _Origin(
        "花子/Hanako 美咲/Misaki 陽菜/Hina 恵子/Keiko",
        "太郎/Taro 健一/Kenichi 大輔/Daisuke 翔/Sho",
        "山田/Yamada 佐藤/Sato 鈴木/Suzuki 高橋/Takahashi 渡辺/Watanabe",
        surname_first=True,
    ),
    _Origin(
        "秀英/Xiuying 丽/Li 静/Jing",
        "伟/Wei 强/Qiang 磊/Lei",
        "王/Wang 李/Li 张/Zhang 陈/Chen",
        surname_first=True,
    ),
    _Origin(
        "Ольга/Olga Дарья/Darya Людмила/Lyudmila",
        "Олег/Oleg Юрий/Yuriy Игорь/Igor",
        "Шевченко/Shevchenko Бондар/Bondar",
    ),
    _Origin("ليلى/Layla سلمى/Salma", "يوسف/Yusuf كريم/Karim", "حداد/Haddad منصور/Mansour"),
)


class Names:
    """Gives out names, no display name and no account twice.

    Parameters
    ----------
    random : Random
        The source of chance; the same state gives the same names.

    Examples
    --------
    >>> names = Names(Random(1))
    >>> len({names.draw(woman=True).account for _ in range(500)})
    500
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self._used: dict[str, int] = {}

    def draw(self, *, woman: bool) -> Name:
        """Make up one person's name."""
        origin = self._random.choice(_ORIGINS)
        given, latin_given = self._word(origin.women if woman else origin.men)
        surname, latin_surname = self._word(origin.surnames)
        words = [surname, given] if origin.surname_first else [given, surname]
        if self._random.random() < 0.04:
            words = [f"{surname},", given]
        return Name(given, surname, self._display(words), self._account(f"{latin_given}.{latin_surname}"))

    def service(self, task: str) -> Name:
        """Name a service account after its task."""
        return Name("", "", self._display([task, "Service"]), self._account(f"svc-{task}"))

    def _word(self, words: str) -> tuple[str, str]:
        native, _, latin = self._random.choice(words.split()).partition("/")
        return native, latin or native

    def _display(self, words: list[str]) -> str:
        """Add an initial, later a number, to a name somebody already has."""
        uses = self._count("display " + " ".join(words))
        if 1 <= uses <= 26:
            words = [words[0], f"{chr(ord('A') + uses * 7 % 26)}.", *words[1:]]
        elif uses > 26:
            words = [*words, f"({uses})"]
        return " ".join(words)

    def _account(self, wanted: str) -> str:
        base = account_name(wanted)[:15].rstrip(".-")
        uses = self._count("account " + base)
        return f"{base}{uses + 1}" if uses else base

    def _count(self, key: str) -> int:
        self._used[key] = self._used.get(key, -1) + 1
        return self._used[key]


def account_name(text: str) -> str:
    """Reduce a name to what an account may be called.

    Examples
    --------
    >>> account_name("Siobhán.O'Brien"), account_name("Søren.Weiß")
    ('siobhan.obrien', 'soren.weiss')
    """
    plain = unicodedata.normalize("NFKD", text.translate(_LETTERS)).encode("ascii", "ignore").decode()
    return "".join(letter for letter in plain.lower() if letter.isalnum() or letter in ".-")
