"""Every case of the Python SDK, in one process. Prints one JSON object: case name -> what came of it."""

import json
import sys
from pathlib import Path

import openai

base_url, key, speech = sys.argv[1], sys.argv[2], Path(sys.argv[3])
client = openai.OpenAI(base_url=base_url, api_key=key)


def transcribe(client=client, model="whisper-1", file=speech, **options):
    return client.audio.transcriptions.create(model=model, file=file, **options)


def verbose():
    answer = transcribe(response_format="verbose_json", timestamp_granularities=["word", "segment"])
    assert type(answer).__name__ == "TranscriptionVerbose", type(answer)
    return answer.to_dict()


def options():
    answer = transcribe(
        model="gpt-4o-transcribe",
        chunking_strategy={"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300},
        include=["logprobs"],
    )
    return answer.to_dict()


def open_file():
    with speech.open("rb") as file:
        return transcribe(file=file).text


def nameless_bytes():
    return transcribe(file=speech.read_bytes()).text


def stream(model):
    return [event.to_dict() for event in transcribe(model=model, stream=True)]


def models():
    return [model.id for model in client.models.list()]


CASES = {
    "json": lambda: transcribe().to_dict(),
    "text": lambda: transcribe(response_format="text"),
    "srt": lambda: transcribe(response_format="srt"),
    "vtt": lambda: transcribe(response_format="vtt"),
    "verbose": verbose,
    "options": options,
    "open file": open_file,
    "nameless bytes": nameless_bytes,
    "stream gpt-4o-transcribe": lambda: stream("gpt-4o-transcribe"),
    "stream whisper-1": lambda: stream("whisper-1"),
    "models": models,
    "model with a slash": lambda: client.models.retrieve("Systran/faster-whisper-tiny").id,
    "translation": lambda: client.audio.translations.create(model="whisper-1", file=speech).text,
    "unknown model": lambda: transcribe(model="no-such-model"),
    "missing file": lambda: client.post("/audio/transcriptions", body={"model": "whisper-1"}, cast_to=object),
    "empty file": lambda: transcribe(file=("empty.wav", b"")),
    "wrong key": lambda: transcribe(client=client.with_options(api_key="wrong")),
}


def run(case):
    try:
        return {"value": case()}
    except openai.APIStatusError as error:
        return {
            "error": {
                "class": type(error).__name__,
                "status": error.status_code,
                "type": error.type,
                "param": error.param,
                "code": error.code,
                "message": error.message,
                "requestId": error.request_id,
            }
        }
    except Exception as error:  # noqa: BLE001 - the caller decides what was expected
        return {"error": {"class": type(error).__name__, "message": str(error)}}


print(json.dumps({name: run(case) for name, case in CASES.items()}))
