"""The same model and settings deployed anew: fresh instances, where something on the old ones is stuck."""

from hashlib import sha256
from typing import TYPE_CHECKING

from watchkeeper.aws.config_clone import config_tags, create_clone, marked_name

if TYPE_CHECKING:
    from watchkeeper.aws.sagemaker_hook import EndpointHook

RESTART_TAG = "watchkeeper:restart-of"


def make_restart_config(hook: "EndpointHook", config_name: str, incident_id: str) -> str:
    """Return the name of a configuration that is ``config_name``'s once more, having made it.

    The name follows from the incident, so a retry finds what it made; a tag tells which configuration it stands for.
    """
    original = restart_origin(hook, config_name)
    wanted = hook.endpoint_config(config_name)
    digest = sha256(f"{original}\0{incident_id}".encode()).hexdigest()[:10]
    wanted["EndpointConfigName"] = marked_name(original, digest)
    if wanted["EndpointConfigName"] != config_name:
        create_clone(hook, wanted, config_name, {RESTART_TAG: original})
    return str(wanted["EndpointConfigName"])


def restart_origin(hook: "EndpointHook", config_name: str) -> str:
    """Return the configuration that one stands for: itself, unless it was made to restart another."""
    return config_tags(hook, config_name).get(RESTART_TAG, config_name)
