"""How many epochs a training takes: as many as the recipe says, or as many as fit into a given time."""

from dataclasses import dataclass, replace

ASIDE = 5.0  # seconds kept for the verdict's pictures


@dataclass(frozen=True)
class Plan:
    """The number of epochs, and the time they must fit into, if any."""

    epochs: int
    seconds: float | None = None
    """From the start of the first epoch to the end of the verdict; None: no limit."""
    pictures_afterwards: int = 0
    """How many pictures the verdict looks at once the training is over."""

    def after(self, epoch: int, elapsed: float, images_per_second: float) -> "Plan":
        """The plan made anew after `epoch` epochs in `elapsed` seconds: so many more as the rest of the time allows.

        The schedule of the learning rate follows the plan, so that it reaches its end when the time does.
        """
        if self.seconds is None:
            return self
        aside = ASIDE + self.pictures_afterwards / images_per_second
        left = self.seconds - elapsed - aside
        return replace(self, epochs=epoch + max(int(left / (elapsed / epoch)), 0))
