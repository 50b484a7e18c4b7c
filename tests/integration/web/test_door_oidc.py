"""Signing in by an OpenID Connect issuer: the real flow over real sockets, and an issuer that lies."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import oidc_provider
import pytest
import requests
import web_desk
from oidc_provider import CLIENT_ID, CLIENT_SECRET, Key, Provider, SharedKey
from pydantic import SecretStr
from web_visitor import Visitor
from webhook_sender import PATIENCE_SECONDS, wait_for

from ibhelm_pipelines.errors import PermanentError
from ibhelm_pipelines.local.entrance import Closed, Issuer, entrance
from ibhelm_pipelines.local.s3 import EmbeddedS3
from ibhelm_pipelines.settings import Settings
from ibhelm_pipelines.web.oidc import Attempt, Client, Person

NOBODY = "postgresql://ibhelm@127.0.0.1:1/nothing"
"""Where no Postgres is: nobody needs one to sign in."""

ADDRESS = "http://127.0.0.1:1"
"""Under which browsers are said to reach the page; those of these tests go to the port where it really is."""


@pytest.fixture(scope="module")
def shared_provider() -> Iterator[Provider]:
    with oidc_provider.provider() as provider:
        yield provider


@pytest.fixture
def provider(shared_provider: Provider) -> Provider:
    shared_provider.honest()
    return shared_provider


@pytest.fixture(scope="module")
def settings_of_web(s3: EmbeddedS3) -> Settings:
    return Settings(_env_file=None, s3_endpoint=s3.endpoint, s3_bucket=s3.bucket, database_url=SecretStr(NOBODY))


def means(provider: Provider, **changed: str) -> dict[str, str]:
    ours = {
        "WEB_URL": ADDRESS,
        "OIDC_ISSUER": provider.url,
        "OIDC_CLIENT_ID": CLIENT_ID,
        "OIDC_CLIENT_SECRET": CLIENT_SECRET,
        "OIDC_ALLOWED_DOMAINS": "Buero.example, partner.example",
        "WEB_PASSWORD": "a password that does not count here",
    }
    return {**ours, **changed}


@pytest.fixture(scope="module")
def web(
    shared_provider: Provider, settings_of_web: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[web_desk.Gateway]:
    folder = tmp_path_factory.mktemp("oidc")
    with web_desk.running(settings_of_web, folder, **means(shared_provider)) as web:
        yield web
    assert not [line for line in web.log if CLIENT_SECRET in line or "eyJ" in line]


class Traveller(Visitor):
    """A browser that goes to the issuer and back, each with an address of its own, for attempts are counted."""

    count = 0

    def __init__(self, web: web_desk.Gateway) -> None:
        Traveller.count += 1
        super().__init__(web, f"10.50.{Traveller.count // 250}.{Traveller.count % 250}")

    def leave(self, wanted: str = "/") -> str:
        """Go to the issuer; return the path to which it sends this browser back."""
        sent = self.get("/login/start", params={"next": wanted})
        assert sent.status_code == 303, sent.text
        return self.go_on(sent.headers["location"])

    def go_on(self, to_issuer: str) -> str:
        answer = requests.get(to_issuer, allow_redirects=False, timeout=PATIENCE_SECONDS)
        assert answer.status_code == 302
        back = urlsplit(answer.headers["location"])
        assert f"{back.scheme}://{back.netloc}{back.path}" == f"{ADDRESS}/login/callback"
        return back._replace(scheme="", netloc="").geturl()

    def travel(self, wanted: str = "/") -> requests.Response:
        return self.get(self.leave(wanted))


@pytest.mark.usefixtures("provider")
def test_who_has_an_account_at_the_issuer_comes_in_and_to_the_page_that_was_wanted(web: web_desk.Gateway) -> None:
    traveller = Traveller(web)
    assert traveller.get("/api").headers["location"] == "/login?next=/api"
    page = traveller.get("/login?next=/api")
    assert 'href="/login/start?next=/api"' in page.text
    assert "password" not in page.text
    came = traveller.travel("/api?a=1")
    assert (came.status_code, came.headers["location"]) == (303, "/api?a=1")
    assert traveller.session["name"] == "Petra Schmitz"
    assert traveller.is_in()
    assert traveller.post("/logout").headers["location"] == "/login"
    assert not traveller.is_in()


def test_what_people_want_and_are_called_never_makes_a_cookie_that_browsers_drop(
    web: web_desk.Gateway, provider: Provider
) -> None:
    provider.claims = {"name": "Ä" * 5000}
    traveller, wanted = Traveller(web), "/?q=" + "a" * 1996
    back = traveller.leave(wanted)
    assert len(traveller.cookie) < 4000
    assert traveller.get(back).headers["location"] == wanted
    assert len(traveller.cookie) < 4000
    assert Traveller(web).travel(wanted + "a").headers["location"] == "/"


@pytest.mark.usefixtures("provider")
def test_the_one_account_is_no_way_around_the_issuer(web: web_desk.Gateway) -> None:
    assert Traveller(web).sign_in("a password that does not count here", "admin").status_code in (403, 405)
    visitor = Traveller(web)
    visitor.leave()
    answer = visitor.ask("POST", "/login", data={"user": "admin", "password": "a password that does not count here"})
    assert answer.status_code in (403, 405)
    assert not visitor.is_in()


OTHER = Key("other")


def client_of(provider: Provider, clock: Callable[[], float] = time.monotonic, domains: tuple[str, ...] = ()) -> Client:
    allowed = frozenset(domains) or None
    issuer = Issuer(url=provider.url, client_id=CLIENT_ID, client_secret=CLIENT_SECRET, allowed_domains=allowed)
    return Client(issuer, f"{ADDRESS}/login/callback", clock)


def person(client: Client) -> str:
    """Go through the whole flow without a page around it; returns the name."""
    return who(client).name


def who(client: Client) -> Person:
    attempt = Attempt.new()
    answer = requests.get(client.address(attempt), allow_redirects=False, timeout=PATIENCE_SECONDS)
    return client.person(parse_qs(urlsplit(answer.headers["location"]).query)["code"][0], attempt)


def claiming(**claims: Any) -> Callable[[Provider], None]:
    return lambda provider: provider.claims.update(claims)


def setting(**values: Any) -> Callable[[Provider], None]:
    def lie(provider: Provider) -> None:
        for name, value in values.items():
            setattr(provider, name, value)

    return lie


NOW = int(time.time())
NO_ADDRESS = "no verified address of an allowed domain"
LIES: dict[str, tuple[Callable[[Provider], None], str]] = {
    "a key that the issuer does not publish": (setting(header={"kid": "unheard-of"}), "does not publish"),
    "the name of a key that is not the one that signed": (
        setting(published=[OTHER], header={"kid": OTHER.name}),
        "Signature verification failed",
    ),
    "no name of a key, and signed with another": (
        setting(published=[OTHER], header={"kid": None}),
        "Signature verification failed",
    ),
    "no signature": (setting(algorithm="none"), "believed"),
    "the public key as a shared secret": (setting(algorithm="HS256"), "believed"),
    "a secret that stands among the public keys": (
        setting(algorithm="HS256", published=[SharedKey("shared")], header={"kid": "shared"}),
        "alg",
    ),
    "expired": (claiming(exp=NOW - 120), "expired"),
    "not yet made": (claiming(iat=NOW + 3600), "not yet valid"),
    "not yet valid": (claiming(nbf=NOW + 3600), "not yet valid"),
    "without an end": (claiming(exp=None), 'missing the "exp"'),
    "without a beginning": (claiming(iat=None), 'missing the "iat"'),
    "of nobody": (claiming(sub=None), 'missing the "sub"'),
    "another nonce": (claiming(nonce="that of another attempt"), "of another attempt"),
    "no nonce": (claiming(nonce=None), "of another attempt"),
    "for another client": (claiming(aud="somebody else's page"), "Audience"),
    "for nobody": (claiming(aud=None), 'missing the "aud"'),
    "for us among others, asked by another": (claiming(aud=[CLIENT_ID, "x"], azp="x"), "another client"),
    "of another issuer": (claiming(iss="https://accounts.example"), "issuer"),
    "of an issuer with a slash more": (lambda provider: provider.claims.update(iss=provider.url + "/"), "issuer"),
    "of no issuer": (claiming(iss=None), 'missing the "iss"'),
    "an address that nobody verified": (claiming(email_verified=False), NO_ADDRESS),
    "an address of which nobody says whether it was verified": (claiming(email_verified=None), NO_ADDRESS),
    "another domain": (claiming(email="petra@evil.example"), NO_ADDRESS),
    "a domain that ends alike": (claiming(email="petra@notbuero.example"), NO_ADDRESS),
    "a domain that begins alike": (claiming(email="petra@buero.example.evil.example"), NO_ADDRESS),
    "an address with a domain in front": (claiming(email='"petra@buero.example"@evil.example'), NO_ADDRESS),
    "no address": (claiming(email=None), NO_ADDRESS),
    "an address that is none": (claiming(email=["petra@buero.example"]), NO_ADDRESS),
}
"""What an issuer, or somebody between, could say that must not be believed, and why it is not."""


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_not_believed(provider: Provider, lie: str) -> None:
    tell, reason = LIES[lie]
    tell(provider)
    with pytest.raises(PermanentError, match=reason):
        person(client_of(provider, domains=("buero.example",)))


def test_who_is_not_believed_is_told_so_and_the_log_says_why(web: web_desk.Gateway, provider: Provider) -> None:
    LIES["expired"][0](provider)
    traveller = Traveller(web)
    came = traveller.travel()
    assert came.status_code == 403
    assert "Die Anmeldung ist nicht angenommen worden." in came.text
    assert not traveller.is_in()
    wait_for(lambda: [line for line in web.lines("sign_in_refused") if "expired" in line["reason"]])
    provider.honest()
    assert traveller.travel().status_code == 303, "after the lie, the truth is not believed either"


def test_an_answer_counts_once_and_only_in_the_browser_that_asked(web: web_desk.Gateway, provider: Provider) -> None:
    victim, attacker = Traveller(web), Traveller(web)
    back = attacker.leave()
    kept = attacker.cookie
    assert victim.get(back).status_code == 403, "a login of the attacker's choice (login CSRF)"
    assert not victim.is_in()
    victim.leave()
    assert victim.get(back).status_code == 403
    assert attacker.get(back).status_code == 303
    replayed = Traveller(web)
    replayed.cookie = kept
    provider.codes["again"] = {**next(iter(provider.codes.values()), {})}
    asked = len(provider.asked)
    assert replayed.get(back).status_code == 403, "the same answer again, with the same cookie"
    assert len(provider.asked) == asked
    for wrong in ("/login/callback", "/login/callback?code=x", "/login/callback?state=&code=x",
                  back.replace("state=", "state=x"), back.replace("code=", "kode=")):  # fmt: skip
        late = Traveller(web)
        late.leave()
        assert late.get(wrong).status_code == 403
        assert not late.is_in()


@pytest.mark.usefixtures("provider")
def test_a_code_of_somebody_elses_attempt_is_worth_nothing(web: web_desk.Gateway) -> None:
    mine, stolen = Traveller(web), Traveller(web)
    my_state = parse_qs(urlsplit(mine.leave()).query)["state"][0]
    code = parse_qs(urlsplit(stolen.leave()).query)["code"][0]
    assert mine.get("/login/callback", params={"code": code, "state": my_state}).status_code == 403
    assert not mine.is_in()


@pytest.mark.usefixtures("provider")
def test_who_presses_cancel_at_the_issuer_is_told_so_and_may_try_again(web: web_desk.Gateway) -> None:
    traveller = Traveller(web)
    state = parse_qs(urlsplit(traveller.leave()).query)["state"][0]
    came = traveller.get("/login/callback", params={"error": "access_denied", "state": state})
    assert came.status_code == 403
    assert traveller.travel().status_code == 303


def test_a_new_key_of_the_issuer_is_looked_up_but_not_each_time_somebody_sends_rubbish() -> None:
    now = 1000.0
    with oidc_provider.provider() as provider:
        client = client_of(provider, lambda: now)
        assert person(client) == "Petra Schmitz"
        provider.key = OTHER
        for _ in range(3):
            with pytest.raises(PermanentError, match="a key that the issuer does not publish"):
                person(client)
        assert provider.asked.count("/keys") == 1
        now += 61
        provider.published = [OTHER]
        assert person(client) == person(client) == "Petra Schmitz"
        assert provider.asked.count("/keys") == 2
        assert provider.asked.count("/.well-known/openid-configuration") == 1


def test_an_issuer_that_is_away_is_no_error_of_ours(settings_of_web: Settings, tmp_path: Any) -> None:
    with oidc_provider.provider() as provider, web_desk.running(settings_of_web, tmp_path, **means(provider)) as web:
        provider.is_away = True
        page = Traveller(web).get("/login/start")
        assert page.status_code == 503
        assert "Der Anmeldedienst antwortet gerade nicht." in page.text
        provider.honest()
        traveller = Traveller(web)
        back = traveller.leave()
        provider.is_away = True
        assert traveller.get(back).status_code == 503
        assert not traveller.is_in()
        provider.honest()
        assert traveller.travel().status_code == 303


@pytest.mark.parametrize(
    "described",
    [{"issuer": "https://other.example"}, {"token_endpoint": "http://10.0.0.1/token"}, {"jwks_uri": None},
     {"authorization_endpoint": "javascript:alert(1)"}],
)  # fmt: skip
def test_nobody_is_sent_where_an_issuer_should_not_send(provider: Provider, described: dict[str, Any]) -> None:
    provider.discovery = described
    with pytest.raises(PermanentError):
        client_of(provider).address(Attempt.new())


def test_the_secret_goes_where_the_issuer_wants_it() -> None:
    with oidc_provider.provider() as provider:
        provider.discovery = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
        assert person(client_of(provider)) == "Petra Schmitz"


@pytest.mark.parametrize(
    "changed",
    [{"oidc_client_secret": None}, {"oidc_client_id": None}, {"oidc_issuer": None}, {"oidc_allowed_domains": None},
     {"oidc_allowed_domains": ()}, {"oidc_issuer": "http://login.buero.example"}, {"oidc_issuer": "buero.example"},
     {"oidc_issuer": "https://accounts.google.com"}],
)  # fmt: skip
def test_an_issuer_that_is_set_up_in_part_lets_nobody_in(changed: dict[str, Any]) -> None:
    whole = Settings(
        _env_file=None,
        oidc_issuer="https://login.buero.example",
        oidc_client_id="x",
        oidc_client_secret=SecretStr("y"),
        oidc_allowed_domains=("any",),
        web_password=SecretStr("a password beside it"),
    )
    assert isinstance(entrance(whole), Issuer)
    assert isinstance(entrance(whole.model_copy(update=changed)), Closed)
