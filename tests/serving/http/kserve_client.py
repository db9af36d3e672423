"""KServe's own client against a server: V1, V2 in JSON and V2 in binary.

Run by the Python of an environment that has kserve, which cannot be installed beside merflow:
``python kserve_client.py URL NAME CLIP...`` prints the probabilities by protocol as JSON.
"""

import asyncio
import base64
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig  # type: ignore[import-not-found]
from kserve.protocol.infer_type import RequestedOutput  # type: ignore[import-not-found]


async def ask(url: str, name: str, clips: list[bytes]) -> dict[str, Any]:
    """Return what the client says of the server, and the probabilities ``[clip][class]`` by protocol."""
    v1 = InferenceRESTClient(RESTConfig(protocol="v1"))
    v2 = InferenceRESTClient(RESTConfig(protocol="v2"))
    encoded = [base64.b64encode(clip).decode() for clip in clips]
    said = await v1.infer(url, {"instances": [{"audio": {"b64": text}} for text in encoded]}, model_name=name)
    return {
        "live": await v2.is_server_live(url),
        "ready": await v2.is_server_ready(url),
        "model ready": [await client.is_model_ready(url, name) for client in (v1, v2)],
        "V1": [list(each["probabilities"].values()) for each in said["predictions"]],
        "V2": await _probabilities(v2, url, name, encoded, binary=False),
        "V2 binary": await _probabilities(v2, url, name, clips, binary=True),
    }


async def _probabilities(
    client: InferenceRESTClient, url: str, name: str, elements: list[Any], *, binary: bool
) -> list[list[float]]:
    audio = InferInput("audio", [len(elements)], "BYTES")
    audio.set_data_from_numpy(np.array(elements, dtype=object), binary_data=binary)
    output = RequestedOutput("probabilities", parameters={"binary_data": binary})
    answer = await client.infer(url, InferRequest(name, [audio], request_outputs=[output]), model_name=name)
    (probabilities,) = answer.outputs
    found: list[list[float]] = probabilities.as_numpy().tolist()
    return found


if __name__ == "__main__":
    url, name, *paths = sys.argv[1:]
    print(json.dumps(asyncio.run(ask(url, name, [Path(path).read_bytes() for path in paths]))))  # noqa: T201
