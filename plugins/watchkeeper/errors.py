"""Every error that Watchkeeper raises on purpose.

::

    WatchkeeperError
    ├── ProblemsError            several faults, told once
    │   ├── RegistryError        endpoint files
    │   └── SettingsError        environment, Variables, connection
    ├── CaptureError             captured data that cannot be judged
    ├── DatasetError             a baseline dataset that cannot be read
    ├── ModelArtefactError       a model's file that cannot be read or explained
    ├── DocumentError            a statistics, constraints or state document that cannot be read
    ├── BaselineMissingError     no baseline yet
    ├── StoreError               the report store or the ledger
    ├── PermissionMissingError   AWS refused; names action and resource
    ├── ServiceAnswerError       AWS took a call and did not do all of it
    ├── EndpointStateError       an endpoint is not, or did not become, what was asked for
    ├── ModelAnswerError         a model that is asked answers with errors, or not one number a row
    ├── PipelineError            a pipeline, its execution or a model package is not what was asked for
    ├── JobError                 a SageMaker job is not there, or has not ended
    └── ContainerContractError   the container's environment or folders are not as promised

Each keeps its arguments as attributes, says what was found, what was expected and the remedy,
and survives pickling (Airflow moves exceptions between processes).
"""


class WatchkeeperError(Exception):
    """Base of all errors raised on purpose: catch this to catch them all."""


class ProblemsError(WatchkeeperError, ValueError):
    """At least one thing is wrong; ``problems`` lists every fault found, each with its remedy."""

    def __init__(self, subject: str, problems: tuple[str, ...]) -> None:
        self.subject = subject
        self.problems = tuple(problems)
        super().__init__(subject, self.problems)

    def __str__(self) -> str:
        count = len(self.problems)
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        return f"{count} problem{'' if count == 1 else 's'} in {self.subject}:\n{lines}"


class RegistryError(ProblemsError):
    """At least one endpoint file is invalid."""


class SettingsError(ProblemsError):
    """The deployment's settings (bucket, prefix, topics, queues) are missing or invalid."""


class _DetailedError(WatchkeeperError):
    """An error about one named thing: what it is, what was found and what to do."""

    def __init__(self, subject: str, found: str, remedy: str) -> None:
        self.subject = subject
        self.found = found
        self.remedy = remedy
        super().__init__(subject, found, remedy)

    def __str__(self) -> str:
        return f"{self.subject}: {self.found}. {self.remedy}" if self.remedy else f"{self.subject}: {self.found}"


class CaptureError(_DetailedError):
    """Captured data could not be read or judged; the window's verdict is ``failed`` with this reason."""


class DatasetError(_DetailedError, ValueError):
    """A dataset for a baseline could not be read."""


class DocumentError(_DetailedError, ValueError):
    """A statistics, constraints, violations or state document could not be read."""


class ModelArtefactError(_DetailedError, ValueError):
    """A model's file could not be read, or the model in it cannot be asked or explained."""


class BaselineMissingError(_DetailedError, LookupError):
    """There is no baseline for this endpoint and monitor yet."""


class StoreError(_DetailedError):
    """The report store or the ledger could not be read or written."""


class PermissionMissingError(_DetailedError, PermissionError):
    """AWS refused a call; the message names the action and the resource."""


class ServiceAnswerError(_DetailedError):
    """AWS took a call and did not do what was asked, or only a part of it: a failed query, a target not set."""


class EndpointStateError(_DetailedError):
    """An endpoint is not, or did not become, what was asked for."""


class ModelAnswerError(_DetailedError):
    """A model that was asked answered with errors, or with something else than finite numbers for each row."""


class PipelineError(_DetailedError):
    """A pipeline, its execution or a model package is not, or did not become, what was asked for."""


class JobError(_DetailedError):
    """A SageMaker job is not there, or has not ended yet."""


class ContainerContractError(_DetailedError):
    """The environment variables or folders of the container contract are not as promised."""
