"""Checks of Label Studio: the server, the token, and each campaign's project."""

from collections.abc import Iterable, Iterator

import msgspec

from service.doctor.finding import Finding, ok, warning, wrong
from service.doctor.site import Site, is_local
from service.errors import Invalid, LabelStudioRefused, LabelStudioUnavailable
from service.records import Campaign

TESTED = "1.23"
SAMPLING = "Uncertainty sampling"
SKIPS = "IGNORE_SKIPPED"


class _Project(msgspec.Struct):
    sampling: str | None
    skip_queue: str | None
    model_version: str | None = None
    show_collab_predictions: bool = True


class _Hook(msgspec.Struct):
    url: str
    project: int | None = None
    is_active: bool = True
    send_for_all_actions: bool = False


class _Backend(msgspec.Struct):
    url: str
    title: str = ""


def server(site: Site) -> Iterable[Finding]:
    """Label Studio answers, and is of a version that was tried."""
    url = site.settings.label_studio_url
    mend = site.start if "label-studio" in site.embedded else "mend POSTIL_LABEL_STUDIO_URL, or start it"
    if not url:
        if "api" in site.ports:  # `postil up` has run here, and started none of its own
            remedy = "set it and POSTIL_LABEL_STUDIO_TOKEN here too, as they are where `postil up` runs"
            yield warning("Label Studio was not looked at: POSTIL_LABEL_STUDIO_URL is empty", remedy)
        else:
            yield wrong("no Label Studio: POSTIL_LABEL_STUDIO_URL is empty", f"set it, or {site.start}")
        return
    if not url.startswith(("http://", "https://")):
        yield wrong(f"POSTIL_LABEL_STUDIO_URL is {url}", "begin it with http:// or https://")
        return
    from service.label_studio.client import Client

    with Client(url, site.settings.label_studio_token or "none", 10) as client:
        try:
            version = client.version()
        except (LabelStudioUnavailable, LabelStudioRefused) as error:
            yield wrong(str(error), mend)
            return
    if version.startswith(f"{TESTED}."):
        yield ok(f"Label Studio {version} at {url}")
    else:
        yield warning(f"Label Studio {version} at {url}", f"{TESTED} was tested; look twice at what is odd")


def token(site: Site) -> Iterable[Finding]:
    """Its token is valid, and may list projects."""
    secret = site.settings.label_studio_token
    if not site.settings.label_studio_url:
        return
    kind = "personal access token" if secret.count(".") == 2 else "legacy token"
    if not secret:
        yield wrong(
            "POSTIL_LABEL_STUDIO_TOKEN is empty",
            "make one in Label Studio (Account & Settings) for an account that may create projects",
        )
        return
    with site.label_studio() as client:
        if client is None:
            return
        try:
            user = client.user()
            client.send("GET", "/api/projects/", {"page_size": 1})
        except LabelStudioRefused as error:
            yield wrong(f"the {kind} is refused: {error}", _renew(kind))
        except LabelStudioUnavailable:
            return  # the server's own check says so
        else:
            yield ok(f"the {kind} of {user.email}")


def _renew(kind: str) -> str:
    if kind == "legacy token":
        return (
            "copy it anew (Account & Settings), or allow legacy tokens, which are off in new organizations "
            "(Organization → Access Token Settings), or use a personal access token"
        )
    return "make a new one (Account & Settings → Personal Access Token): it was revoked or has expired"


def way_back(site: Site) -> Iterable[Finding]:
    """Label Studio can reach the API, so far as addresses tell."""
    studio, api = site.settings.label_studio_url, site.settings.url
    if studio and is_local(api) and not is_local(studio):
        yield warning(
            f"Label Studio at {studio} cannot reach the API at {api}, so answers are seen some seconds later",
            "set POSTIL_URL to an address at which that machine reaches this one",
        )


def projects(site: Site) -> Iterable[Finding]:
    """Each campaign's project serves in the order that the campaign makes."""
    if not site.settings.label_studio_url or not site.settings.label_studio_token:
        return
    with site.label_studio() as client:
        if client is None:
            return
        for campaign in site.campaigns():
            if campaign.project is None:
                continue
            try:
                project = client.call(_Project, "GET", f"/api/projects/{campaign.project}/")
                backends = client.call(list[_Backend], "GET", "/api/ml/", {"project": campaign.project})
                hooks = client.call(list[_Hook], "GET", "/api/webhooks/", {"project": campaign.project})
            except LabelStudioRefused as error:
                yield wrong(
                    f"campaign {campaign.name}: project {campaign.project} cannot be read: {error}",
                    "bring it back, or give the token's account access to it",
                )
                continue
            except (LabelStudioUnavailable, Invalid):
                return
            found = [
                *_order(campaign, project),
                *_models(site, campaign, backends),
                *_webhook(site, campaign, [hook for hook in hooks if hook.project == campaign.project]),
            ]
            yield from found or [
                ok(f"campaign {campaign.name}: project {campaign.project} is set up as it should be")
            ]


def _order(campaign: Campaign, project: _Project) -> Iterator[Finding]:
    who = f"campaign {campaign.name}: project {campaign.project}"
    if project.sampling != SAMPLING:
        yield wrong(
            f"{who} serves by {project.sampling}, not in the campaign's order",
            "Settings → Annotation → Task Sampling: Uncertainty",
        )
    if project.skip_queue != SKIPS:
        yield warning(
            f"{who} keeps skipped tasks ({project.skip_queue})", "Settings → Annotation: ignore skipped"
        )
    if campaign.model_version and project.model_version != campaign.model_version:
        yield wrong(
            f"{who} shows predictions of {project.model_version!r}, not {campaign.model_version!r}, "
            "and serves at random",
            f"Settings → Annotation → Live Predictions: {campaign.model_version}",
        )
    if not project.show_collab_predictions:
        yield warning(
            f"{who} hides pre-annotations", "Settings → Annotation → Prelabeling, if people want them"
        )


def _models(site: Site, campaign: Campaign, backends: list[_Backend]) -> Iterator[Finding]:
    for one in backends:
        if not one.url.startswith(site.settings.url):
            yield warning(
                f"campaign {campaign.name}: the model {one.title or one.url} is connected to project "
                f"{campaign.project}, and takes the place of the campaign's predictions",
                "Settings → Model: disconnect it, and delete the webhook that it leaves",
            )


def _webhook(site: Site, campaign: Campaign, hooks: list[_Hook]) -> Iterator[Finding]:
    who = f"campaign {campaign.name}"
    ours = f"{site.settings.url}/webhooks/label-studio/{campaign.id}"
    mine = [hook for hook in hooks if hook.url == ours]
    late = "answers are seen some seconds later"
    if not mine and campaign.webhook_hash is None:
        yield warning(
            f"{who}: Label Studio refused the webhook, so {late}",
            "its SSRF protection does for private addresses: SSRF_PROTECTION_ENABLED=false there, "
            "or another POSTIL_URL",
        )
    elif not mine:
        yield warning(
            f"{who}: project {campaign.project} has no webhook to {ours}, so {late}",
            "nothing is lost; it was deleted, or POSTIL_URL was another",
        )
    elif not mine[0].is_active:
        yield warning(f"{who}: the webhook is switched off, so {late}", "Settings → Webhooks: switch it on")
    for hook in hooks:
        if hook.send_for_all_actions and not hook.url.startswith(site.settings.url):
            yield warning(
                f"{who}: every answer waits for another's webhook, {hook.url}",
                "Settings → Webhooks: delete it unless it is needed",
            )
