"""Reject templated options that render to nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from airflow_provider_ismart.core.recipients_text import RENDERED_NOTHING
from airflow_provider_ismart.exceptions import ISmartInputError, ISmartUnsupportedAirflowError

#: ``None`` as recipients has its own error, and an empty list is allowed.
_HAS_OWN_RULES = "recipients"
#: Dicts whose values are also templates.
_HAVE_OPTIONS = frozenset({"hook_params", "message"})


def is_nothing(value: Any) -> bool:
    """Return whether a rendered value is ``None``, blank text, or text that Jinja renders for a missing value."""
    from airflow_provider_ismart.core.segmentation import is_blank  # noqa: PLC0415  # only needed at run time

    return value is None or (isinstance(value, str) and (is_blank(value) or value.strip() in RENDERED_NOTHING))


class ChecksRenderedOptions:
    """Fail an operator if an option that its DAG sets rendered to nothing.

    Otherwise ``push_at=output_of_a_task`` would send immediately if that task returned ``None``. List this mixin
    before Airflow's base class.
    """

    #: The names of the constructor's arguments.
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
        """Check that no option that the DAG sets rendered to nothing.

        :raises ISmartInputError: an option did; the message names it.
        :raises ISmartUnsupportedAirflowError: this version of Airflow renders fields in an unknown way.
        """
        if self._rendered_to_nothing is None and context.get("task") is self:
            raise ISmartUnsupportedAirflowError(
                "airflow-provider-ismart does not know how this Airflow renders fields, so it cannot check the "
                "options. Nothing was sent. Install a release that supports this Airflow."
            )
        for option, rendered in (self._rendered_to_nothing or {}).items():
            raise ISmartInputError(
                f"{option} is set in the DAG, but rendered to {rendered!r}. Correct its template or the task that "
                f"returns it; to use the default, do not set {option}. Nothing was sent."
            )


def _nothing_in(option: str, given: Any, rendered: Any) -> Iterator[tuple[str, Any]]:
    if is_nothing(rendered):
        yield option, rendered
    elif isinstance(given, Mapping) and isinstance(rendered, Mapping) and option in _HAVE_OPTIONS:
        for key, value in given.items():
            if not is_nothing(value) and is_nothing(rendered.get(key)):
                yield f"{option}[{key!r}]", rendered.get(key)
