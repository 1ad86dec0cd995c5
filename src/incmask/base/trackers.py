"""Where curves go beside a run's own files: TensorBoard or MLflow, each imported when it is asked for."""

import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

from incmask.base.caller import option
from incmask.base.errors import fail

TrackerName = Literal["tensorboard", "mlflow"]

EVENTS = "tensorboard"
"""The folder in a run folder that TensorBoard reads."""

_EXPERIMENT = "incmask"
_finding = threading.Lock()
"""Of runs that begin side by side one makes the experiment."""

_UNSAID = re.compile(r"[^\w\-. /:]")
_LONGEST = 500
"""Letters of a value that MLflow takes."""


class Tracker(Protocol):
    """Takes what there is to see."""

    def choices(self, values: Mapping[str, object]) -> None:
        """Show what was chosen; called once, first."""
        ...

    def scalar(self, name: str, value: float, step: int) -> None:
        """Show a point of a curve; ``step`` 0 or more."""
        ...

    def close(self) -> None:
        """End, with all shown."""
        ...


class TensorBoard:
    """Writes event files into ``RUN/tensorboard``: ``tensorboard --logdir RUN``.

    Args:
        run: folder of the run.

    Raises:
        IncmaskError: tensorboardX is not installed.
    """

    def __init__(self, run: Path):
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise _not_installed("tensorboard", "tensorboardX") from error
        self._writer: Any = SummaryWriter(str(run / EVENTS))

    def choices(self, values: Mapping[str, object]) -> None:
        """Show what was chosen."""
        rows = "\n".join(f"| {name} | {value} |" for name, value in values.items())
        self._writer.add_text("choices", f"| choice | value |\n|---|---|\n{rows}")

    def scalar(self, name: str, value: float, step: int) -> None:
        """Show a point of a curve."""
        self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """End, with all written."""
        self._writer.close()


class Mlflow:
    """Tells the server or folder that ``MLFLOW_TRACKING_URI`` names of a run, of the experiment ``incmask``.

    Args:
        run: folder of the run.

    Raises:
        IncmaskError: mlflow is not installed, or the server cannot be reached.
    """

    def __init__(self, run: Path):
        try:
            from mlflow import MlflowClient
            from mlflow.exceptions import MlflowException
        except ImportError as error:
            raise _not_installed("mlflow", "mlflow") from error
        try:
            self._client: Any = MlflowClient()
            with _finding:
                known = self._client.get_experiment_by_name(_EXPERIMENT)
                experiment = known.experiment_id if known else self._client.create_experiment(_EXPERIMENT)
            self._run: str = self._client.create_run(experiment, run_name=run.name).info.run_id
        except MlflowException as error:
            told = str(error).splitlines()[0]
            raise fail(option("track", "mlflow"), f"cannot be reached ({told})", "set MLFLOW_TRACKING_URI") from error

    def choices(self, values: Mapping[str, object]) -> None:
        """Show what was chosen."""
        for name, value in values.items():
            self._client.log_param(self._run, _UNSAID.sub("_", name), str(value)[:_LONGEST])

    def scalar(self, name: str, value: float, step: int) -> None:
        """Show a point of a curve."""
        self._client.log_metric(self._run, _UNSAID.sub("_", name), value, step=step)

    def close(self) -> None:
        """End the run there."""
        self._client.set_terminated(self._run)


TRACKERS: dict[str, Callable[[Path], Tracker]] = {"tensorboard": TensorBoard, "mlflow": Mlflow}


def _not_installed(name: str, package: str) -> Exception:
    return fail(option("track", name), f"{package} is not installed", f"pip install 'incmask[{name}]'")
