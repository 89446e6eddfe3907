"""Every case of Deepgram's Python SDK, in one process. Prints one JSON object: case name -> what came of it."""

import inspect
import json
import sys
from pathlib import Path

from deepgram import DeepgramClient
from deepgram.core.api_error import ApiError
from deepgram.environment import DeepgramClientEnvironment

base_url, key, speech, remote = sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4]
web_socket_url = base_url.replace("http", "ws")
hosts = [name for name in inspect.signature(DeepgramClientEnvironment.__init__).parameters if name != "self"]
environment = DeepgramClientEnvironment(
    **{name: web_socket_url if name in ("production", "agent") else base_url for name in hosts}
)


def client(**credential):
    return DeepgramClient(environment=environment, **(credential or {"api_key": key}))


def transcribe(client=client(), **options):
    return client.listen.v1.media.transcribe_file(request=speech.read_bytes(), **options)


def body(answer):
    return json.loads(answer.json(exclude_none=True))


def options():
    return body(
        transcribe(
            model="nova-3",
            smart_format=True,
            utterances=True,
            keyterm=["fellow Americans", "country"],
            search=["country"],
            extra=["order:17"],
            tag=["nightly"],
        )
    )


def token():
    granted = client().auth.v1.tokens.grant()
    answer = transcribe(client(access_token=granted.access_token), model="nova-3")
    return {"expires_in": granted.expires_in, "transcript": answer.results.channels[0].alternatives[0].transcript}


CASES = {
    "plain": lambda: body(transcribe(model="nova-3")),
    "options": options,
    "url": lambda: body(client().listen.v1.media.transcribe_url(url=remote, model="nova-3", punctuate=True)),
    "chunks": lambda: body(
        client().listen.v1.media.transcribe_file(
            request=(chunk for chunk in [speech.read_bytes()[:99], speech.read_bytes()[99:]]), model="nova-3"
        )
    ),
    "models": lambda: [model.canonical_name for model in client().manage.v1.models.list().stt],
    "token": token,
    "key as a token": lambda: body(transcribe(client(access_token=key))),
    "wrong key": lambda: body(transcribe(client(api_key="wrong"))),
    "unknown model": lambda: body(transcribe(model="no-such-model")),
    "unknown language": lambda: body(transcribe(model="nova-3", language="english")),
}


def run(case):
    try:
        return {"value": case()}
    except ApiError as error:
        body = error.body if isinstance(error.body, dict) else str(error.body)
        return {"error": {"class": type(error).__name__, "status": error.status_code, "body": body}}
    except Exception as error:  # noqa: BLE001 - the caller decides what was expected
        return {"error": {"class": type(error).__name__, "message": str(error)}}


print(json.dumps({name: run(case) for name, case in CASES.items()}))
