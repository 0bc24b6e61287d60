"""Provide ``@task.ismart``, which sends to the recipients that a function returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import DecoratedOperator, determine_kwargs, task_decorator_factory

from airflow_provider_ismart.exceptions import ISmartInputError
from airflow_provider_ismart.operators.ismart import ISmartSendOperator
from airflow_provider_ismart.redaction import redact_each, revealed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow.providers.common.compat.sdk import Context, TaskDecorator


class ISmartDecoratedOperator(DecoratedOperator, ISmartSendOperator):
    """Call a function and send to the recipients that it returns.

    The function's arguments are templated. Airflow's UI shows them redacted, because they can contain recipients.

    :raises ISmartInputError: the function returned ``None``.
    """

    custom_operator_name = "@task.ismart"
    template_fields: Sequence[str] = (
        *DecoratedOperator.template_fields,
        *(field for field in ISmartSendOperator.template_fields if field != "recipients"),
    )
    template_fields_renderers: ClassVar[dict[str, str]] = DecoratedOperator.template_fields_renderers
    redacted_fields: ClassVar[Mapping[str, Callable[[Any], Any]]] = {
        **ISmartSendOperator.redacted_fields,
        "op_args": redact_each,
        "op_kwargs": redact_each,
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(recipients=None, **kwargs)

    # Overrides DecoratedOperator's method, which would return the function's result.
    execute = ISmartSendOperator.execute

    def _find_recipients(self, context: Context) -> Any:
        args = [revealed(argument) for argument in self.op_args]
        kwargs = {name: revealed(argument) for name, argument in self.op_kwargs.items()}
        from_context = determine_kwargs(self.python_callable, args, context)
        recipients = self.python_callable(*args, **{**from_context, **kwargs})
        if recipients is None:
            raise ISmartInputError(
                f"The function of task {self.task_id!r} returned None. Return the recipients, or [] if there are "
                "none. Nothing was sent."
            )
        return recipients


def ismart_task(
    python_callable: Callable[..., Any] | None = None, *, multiple_outputs: bool = False, **kwargs: Any
) -> TaskDecorator:
    """Turn a function that returns recipients into a task that sends to them and returns the report.

    :param python_callable: the function. It returns what ``recipients`` of
        :class:`~airflow_provider_ismart.operators.ismart.ISmartSendOperator` takes. Each try calls it again.
    :param multiple_outputs: also push each value of the report as a separate XCom.
    :param kwargs: all other parameters of that operator.
    """
    return task_decorator_factory(
        python_callable,
        multiple_outputs=multiple_outputs,  # the function's annotation does not describe the report
        decorated_operator_class=ISmartDecoratedOperator,
        **kwargs,
    )
