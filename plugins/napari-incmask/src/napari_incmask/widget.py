"""The panel in napari: a run is opened, its images come one after the other, and what is painted is saved."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from napari.layers import Labels, Layer
from napari.viewer import Viewer
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QLabel, QMessageBox, QPushButton, QVBoxLayout, QWidget

from incmask.base.errors import IncmaskError, fail
from incmask.exchange.correcting.desk import open_desk
from napari_incmask.session import LayerData, Painted, Session

_KEPT = ("brush_size", "selected_label", "opacity", "visible", "mode")
"""What a person chose for a layer, and keeps from one image to the next; the others may reset the mode."""


class CorrectionWidget(QWidget):
    """Corrects the masks of a run in the layers of a viewer.

    Args:
        napari_viewer: gets the layers.

    Attributes:
        session: what is shown; None until a run is open.
    """

    def __init__(self, napari_viewer: Viewer):
        super().__init__()
        self.session: Session | None = None
        self._viewer = napari_viewer
        self._layers: list[Layer] = []
        self._title, self._progress, self._problem = QLabel("open the folder of a finished run"), QLabel(), QLabel()
        self.setLayout(QVBoxLayout())
        self._add(self._button("Open a run…", "", self.choose))
        self._add(self._title)
        self._on_an_image = [
            self._button("Save, next", "Ctrl+S", self.save),
            self._button("Agree, next", "Ctrl+Return", self.agree),
            self._button("Models' mask", "", self.show_models),
            self._button("Previous", "Ctrl+PgUp", lambda: self.move(-1)),
            self._button("Next", "Ctrl+PgDown", lambda: self.move(1)),
        ]
        for each in (*self._on_an_image, self._progress, self._problem):
            self._add(each)
        self._tell()

    @property
    def told(self) -> str:
        """Give what the panel says."""
        return "\n".join(each.text() for each in (self._title, self._progress, self._problem) if each.text())

    def choose(self) -> None:
        """Let a person choose the folder of a run."""
        if folder := QFileDialog.getExistingDirectory(self, "Folder of a run"):
            self.open(Path(folder))

    def open(self, run: Path) -> None:
        """Open a run, and show its first image that is not saved."""

        def begin() -> None:
            self.session = Session(open_desk(run))
            self._show()

        if self._may_leave():
            self._try(begin)

    def save(self) -> None:
        """Save what is painted, and show the next image."""

        def keep() -> None:
            # Polygons tell before they are painted.
            self._settle()
            self._save(self._planes())

        self._try(keep)

    def agree(self) -> None:
        """Save what the models say, and show the next image."""
        self._try(lambda: self._save(self._session.models_planes()))

    def show_models(self) -> None:
        """Show what the models say in place of what is painted."""

        def fill() -> None:
            self._fill(self._session.models_planes())

        self._try(fill)

    def move(self, step: int) -> None:
        """Show the image so many places further on."""

        def go() -> None:
            self._session.move(self._session.index + step)
            self._show()

        if self._may_leave():
            self._try(go)

    @property
    def _session(self) -> Session:
        assert self.session is not None, "the buttons are off until a run is open"
        return self.session

    def _save(self, planes: Painted) -> None:
        self._session.save(planes)
        if self._session.forward():
            self._show()
        else:
            self._fill(planes)

    def _may_leave(self) -> bool:
        """Ask what becomes of what is painted and not saved."""
        if self.session is None or not self._is_changed():
            return True
        choices = QMessageBox.Save | QMessageBox.Discard | QMessageBox.Cancel
        answer = QMessageBox.question(self, "Not saved", "Save what is painted on this image?", choices)
        if answer == QMessageBox.Save:
            return self._try(lambda: self._session.save(self._planes()))
        return bool(answer == QMessageBox.Discard)

    def _is_changed(self) -> bool:
        try:
            return self._session.is_changed(self._planes())
        except IncmaskError:
            return False  # its layers are gone, and what was painted with them

    def _show(self) -> None:
        """Put the layers of the image in place of those before."""
        kept = {each.name: {name: getattr(each, name) for name in _KEPT} for each in self._label_layers}
        for layer in [each for each in self._layers if each in self._viewer.layers]:
            self._viewer.layers.remove(layer)
        self._layers = [self._viewer.add_layer(_made(each)) for each in self._session.image_layers()]
        self._layers += [self._viewer.add_layer(_made(each)) for each in self._session.label_layers()]
        # The mode of a layer goes where it is not the active one.
        self._viewer.layers.selection.active = self._label_layers[0]
        for layer in self._label_layers:
            for name, value in kept.get(layer.name, {}).items():
                setattr(layer, name, value)
            layer.events.paint.connect(self._settle)
        self._viewer.reset_view()

    @property
    def _label_layers(self) -> list[Labels]:
        return [each for each in self._layers if isinstance(each, Labels)]

    def _planes(self) -> list[np.ndarray]:
        if gone := [each.name for each in self._label_layers if each not in self._viewer.layers]:
            raise fail(f"layer {gone[0]}", "was removed", "go to another image and back")
        return [np.asarray(each.data) for each in self._label_layers]

    def _settle(self) -> None:
        """Take the hatch away where a class was painted."""
        if self.session is not None and all(each in self._viewer.layers for each in self._label_layers):
            layer = self._label_layers[-1]
            layer.data[...] = self._session.settle(self._planes())
            layer.refresh()

    def _fill(self, planes: Painted) -> None:
        self._planes()
        for layer, values in zip(self._label_layers, planes, strict=True):
            layer.data = values

    def _try(self, act: Callable[[], None]) -> bool:
        """Do something, and say what went wrong."""
        self._problem.clear()
        try:
            act()
        except IncmaskError as error:
            self._problem.setText(str(error))
            return False
        finally:
            self._tell()
        return True

    def _tell(self) -> None:
        for each in self._on_an_image:
            each.setEnabled(self.session is not None)
        if self.session is not None:
            self._title.setText(self.session.title)
            self._progress.setText(self.session.progress)

    def _button(self, text: str, key: str, act: Callable[[], None]) -> QPushButton:
        button = QPushButton(text)
        button.setShortcut(key)
        button.clicked.connect(lambda: act())
        return button

    def _add(self, part: QWidget) -> None:
        if isinstance(part, QLabel):
            part.setWordWrap(True)
            part.setTextInteractionFlags(Qt.TextSelectableByMouse)
        self.layout().addWidget(part)


def _made(given: LayerData) -> Layer:
    data, options, kind = given
    return Layer.create(data, options, kind)
