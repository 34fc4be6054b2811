"""What mypyc is told of a class. It is not needed for that: where nothing is compiled, nobody is told anything."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_extensions import mypyc_attr as mypyc_attr
else:

    def mypyc_attr(**_: Any) -> Any:
        """Leaves the class as it is. allow_interpreted_subclasses: not all that inherit from it are compiled."""
        return lambda made: made
