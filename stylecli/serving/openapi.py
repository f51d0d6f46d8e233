"""What the interface over HTTP is, in OpenAPI 3.1; the options come from the settings of the methods."""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields

from stylecli import __version__
from stylecli.methods import settings_of
from stylecli.serving.asked import LARGEST_PREVIEW, METHODS, MOST_STYLES
from stylecli.settings.serving import Serving
from stylecli.settings.shared import FORMATS
from stylecli.settings.values import kinds

Schema = dict[str, object]
PICTURE = "a picture that was uploaded"


def offered(serving: Serving) -> Schema:
    """What there is to choose from: methods with their options, styles, domains, limits."""
    from stylecli.checkpoints.header import domains_of, styles_of
    from stylecli.checkpoints.store import resolve

    return {
        "version": __version__,
        "methods": [
            {
                "method": name,
                "title": played.title,
                "content": played.content,
                "styles": played.styles,
                "options": _options(name),
            }
            for name, played in METHODS.items()
        ],
        "styles": styles_of(resolve("fast")),
        "domains": domains_of(resolve("stargan")),
        "limits": {
            "upload_bytes": serving.upload,
            "pixels": serving.max_pixels,
            "pictures": serving.max_pictures,
            "styles": MOST_STYLES,
            "queue": serving.queue,
        },
    }


def _options(method: str) -> dict[str, Schema]:
    """JSON schema of each option of a method."""
    settings, played = settings_of(method), METHODS[method]
    known = kinds(settings)
    made: dict[str, Schema] = {}
    for field in fields(settings):
        if field.name not in played.options:
            continue
        kind, meta = known[field.name], field.metadata
        low, high = played.ranges.get(field.name, (meta["minimum"], meta["maximum"]))
        name = {int: "integer", float: "number", bool: "boolean"}.get(kind.base, "string")
        one: Schema = {"type": [name, "null"] if kind.optional else name, "description": meta["help"]}
        one |= {"minimum": low} if low is not None else {}
        one |= {"maximum": high} if high is not None else {}
        one |= {"enum": list(meta["choices"])} if meta["choices"] else {}
        if kind.many and kind.base is str:
            one = {"type": "array", "items": {"type": "string"}, "description": meta["help"]}
        if field.default not in (MISSING, (), None):
            default = field.default
            one["default"] = default[0] if isinstance(default, tuple) else default
        made[field.name] = one
    return made


def described(serving: Serving) -> Schema:
    """The document."""
    job = _ref("Job")
    form: Schema = {
        "type": "object",
        "properties": {
            "content": _binary("the picture"),
            "style": {"type": "array", "items": _binary("a style"), "maxItems": MOST_STYLES},
            "job": {"type": "string", "description": "a Job in JSON, without the pictures"},
        },
    }
    picture = {f"image/{kind}": {"schema": _binary("the file")} for kind in ("jpeg", "png", "webp", "tiff", "avif")}
    events: Schema = {"schema": {"type": "string", "description": EVENTS}}
    body: Mapping[str, Schema] = {"application/json": {"schema": job}, "multipart/form-data": {"schema": form}}
    upload = _does(
        "Upload a picture",
        {"201": _json("what it is; the same file under the same name keeps its id", _ref("Picture")), **REFUSED},
        body={"application/octet-stream": {"schema": _binary(f"the file, at most {serving.upload:,} bytes")}},
        parameters=[_query("name", {"type": "string"}, "what results and commands call it")],
    )
    shown = _does(
        "See a picture that was uploaded, upright and in sRGB",
        {"200": {"description": "a JPEG", "content": {"image/jpeg": {"schema": _binary("the picture")}}}, **REFUSED},
        parameters=[
            NUMBER,
            _query("preview", {"type": "integer", "minimum": 16, "maximum": LARGEST_PREVIEW}, "its long side, at most"),
        ],
    )
    made: Schema = {"description": "the picture, or with `Accept: text/event-stream` what happens on the way to it"}
    paths: Schema = {
        "/api/methods": {"get": _does("What there is to choose from", {"200": _json("methods, styles, limits")})},
        "/api/example": {
            "get": _does("A picture to begin with", {"200": {"description": "a JPEG", "content": {"image/jpeg": {}}}})
        },
        "/api/pictures": {"post": upload},
        "/api/pictures/{id}": {
            "get": shown,
            "delete": _does("Let a picture go", {"204": {"description": "gone"}, **REFUSED}, parameters=[NUMBER]),
        },
        "/api/jobs": {
            "post": _does(
                "Make a picture: a preview, or without `preview` the file that the command writes, with its record",
                {"200": {**made, "content": {**picture, "text/event-stream": events}}, **REFUSED},
                body=body,
            )
        },
        "/api/command": {
            "post": _does(
                "The command line that makes what a job asks for",
                {"200": _json("it", {"type": "object", "properties": {"command": {"type": "string"}}}), **REFUSED},
                body={"application/json": {"schema": job}},
            )
        },
        "/api/results/{id}": {
            "get": _does(
                "Fetch a picture that events told of; it is kept for a while",
                {"200": {"description": "the file", "content": picture}, **REFUSED},
                parameters=[NUMBER],
            )
        },
        "/api/archive": {
            "post": _does(
                "Fetch several results in one zip archive",
                {
                    "200": {"description": "it", "content": {"application/zip": {"schema": _binary("the archive")}}},
                    **REFUSED,
                },
                body={
                    "application/json": {
                        "schema": {"type": "object", "properties": {"results": {"type": "array", "items": TEXT}}}
                    }
                },
            )
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "stylecli serve", "version": __version__, "description": ABOUT},
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}, "schemas": _schemas()},
    }


ABOUT = (
    "Pictures in the style of others. Upload pictures, then ask for jobs; or send both in one form. Every error is an "
    "object with one line and a hint. At most so many jobs wait as `--queue` says; then the answer is 429."
)
EVENTS = (
    "`queued` {ahead}, `step` {done, total, seconds}, then `done` {id, url, name, type, width, height, bytes, seconds, "
    "command} or `failed` {error, hint, status}"
)
TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"name": "id", "in": "path", "required": True, "schema": TEXT}


def _schemas() -> Schema:
    whole: Schema = {"type": "integer", "minimum": 1}
    jobs = [
        {
            "type": "object",
            "title": name,
            "additionalProperties": False,
            "required": ["method", *(["content"] if played.content else []), *(["styles"] if played.styles else [])],
            "properties": {
                "method": {"const": name},
                **({"content": {**TEXT, "description": PICTURE}} if played.content else {}),
                **({"styles": {"type": "array", "items": TEXT, "maxItems": MOST_STYLES}} if played.styles else {}),
                **({"shares": {"type": "array", "items": {"type": "number", "minimum": 0}}} if played.styles else {}),
                "options": {"type": "object", "additionalProperties": False, "properties": _options(name)},
                "preview": {"type": ["integer", "null"], "minimum": 16, "maximum": LARGEST_PREVIEW},
                "format": {"enum": [*FORMATS, None]},
                "quality": {"type": ["integer", "null"], "minimum": 1, "maximum": 100},
            },
        }
        for name, played in METHODS.items()
    ]
    error = {"type": "object", "properties": {"error": TEXT, "hint": TEXT}, "required": ["error", "hint"]}
    picture: Schema = {
        "id": TEXT,
        "name": TEXT,
        "width": whole,
        "height": whole,
        "notes": {"type": "array", "items": TEXT},
    }
    return {
        "Job": {"oneOf": jobs, "discriminator": {"propertyName": "method"}},
        "Picture": {"type": "object", "properties": picture, "required": list(picture)},
        "Error": error,
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _binary(what: str) -> Schema:
    return {"type": "string", "format": "binary", "description": what}


def _json(what: str, schema: Schema | None = None) -> Schema:
    return {"description": what, "content": {"application/json": {"schema": schema or {"type": "object"}}}}


def _query(name: str, schema: Schema, what: str) -> Schema:
    return {"name": name, "in": "query", "schema": schema, "description": what}


REFUSED = {
    status: _json(why, _ref("Error"))
    for status, why in {
        "400": "something that cannot be, or a file that is no picture",
        "401": "no token, or another one",
        "403": "asked by another site, or by a name that is not this server's",
        "404": "no such picture or result",
        "413": "too many bytes or pixels",
        "429": "too many wait: ask again after `Retry-After` seconds",
    }.items()
}


def _does(
    what: str,
    answers: Mapping[str, object],
    *,
    body: Mapping[str, Schema] | None = None,
    parameters: Sequence[Schema] = (),
) -> Schema:
    asked: Schema = {"requestBody": {"required": True, "content": dict(body)}} if body else {}
    asked |= {"parameters": list(parameters)} if parameters else {}
    return {"summary": what, **asked, "responses": dict(answers)}
