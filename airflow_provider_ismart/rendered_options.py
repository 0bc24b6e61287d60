"""Find templated options that the DAG gives and that render to nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from airflow_provider_ismart.core.recipients_text import RENDERED_NOTHING
from airflow_provider_ismart.core.segmentation import is_blank
from airflow_provider_ismart.exceptions import ISmartInputError, ISmartUnsupportedAirflowError

#: ``None`` as recipients has its own error, and an empty list is allowed.
_HAS_OWN_RULES = "recipients"
#: Dicts whose values are templates, too.
_HAVE_OPTIONS = frozenset({"hook_params", "message"})


def is_nothing(value: Any) -> bool:
    """Whether a rendered value is ``None``, blank text, or the text that Jinja makes of no value."""
    return value is None or (isinstance(value, str) and (is_blank(value) or value.strip() in RENDERED_NOTHING))


class ChecksRenderedOptions:
    """A mixin for operators that fails if a given option rendered to nothing. List it before Airflow's base class.

    Without it, ``push_at=output_of_a_task`` would send immediately if that task returned ``None``.
    """

    #: The arguments of the constructor.
    _arguments: frozenset[str] = frozenset()
    #: The options that rendered to nothing, with their rendered values; ``None`` before rendering.
    _rendered_to_nothing: Mapping[str, Any] | None = None

    def __new__(cls, *_: Any, **kwargs: Any) -> Self:
        """Record which arguments are given, because the instance cannot tell ``None`` from a default."""
        new = super().__new__(cls)
        vars(new)["_arguments"] = frozenset(kwargs)
        return new

    def _do_render_template_fields(
        self, parent: Any, template_fields: Iterable[str], *args: Any, **kwargs: Any
    ) -> None:
        fields = list(template_fields)
        given = self._given_options(fields) if parent is self else {}
        super()._do_render_template_fields(parent, fields, *args, **kwargs)  # type: ignore[misc]
        if parent is self:
            self._rendered_to_nothing = {
                **(self._rendered_to_nothing or {}),
                **{
                    name: rendered
                    for option, value in given.items()
                    for name, rendered in _nothing_in(option, value, getattr(self, option))
                },
            }

    def _given_options(self, fields: Iterable[str]) -> dict[str, Any]:
        expanded = self._expanded_arguments()
        return {
            field: value
            for field in fields
            if field != _HAS_OWN_RULES and ((value := getattr(self, field)) is not None or field in expanded)
        }

    def _expanded_arguments(self) -> frozenset[str]:
        """Return the arguments of ``expand``. Their values are final when the operator is created."""
        dag = self.get_dag()  # type: ignore[attr-defined]
        task = dag.task_dict.get(self.task_id) if dag else None  # type: ignore[attr-defined]
        partial_kwargs = getattr(task, "partial_kwargs", None)  # only mapped tasks have them
        return frozenset() if partial_kwargs is None else self._arguments - partial_kwargs.keys()

    def check_rendered_options(self, context: Mapping[str, Any]) -> None:
        """Check the options of a rendered task.

        :raises ISmartInputError: one of them rendered to nothing; the text names it.
        :raises ISmartUnsupportedAirflowError: this Airflow rendered the fields in an unknown way.
        """
        if self._rendered_to_nothing is None and context.get("task") is self:
            raise ISmartUnsupportedAirflowError(
                "airflow-provider-ismart does not know how this Airflow renders fields, so it cannot check the "
                "options. Nothing was sent. Install a release that supports this Airflow."
            )
        for option, rendered in (self._rendered_to_nothing or {}).items():
            raise ISmartInputError(
                f"{option} is given in the DAG, but rendered to {rendered!r}. Correct its template or the task "
                f"that it comes from; leave {option} out for its default. Nothing was sent."
            )


def _nothing_in(option: str, given: Any, rendered: Any) -> Iterator[tuple[str, Any]]:
    if is_nothing(rendered):
        yield option, rendered
    elif isinstance(given, Mapping) and isinstance(rendered, Mapping) and option in _HAVE_OPTIONS:
        for key, value in given.items():
            if not is_nothing(value) and is_nothing(rendered.get(key)):
                yield f"{option}[{key!r}]", rendered.get(key)
