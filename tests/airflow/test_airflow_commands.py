"""Test the provider in commands of Airflow."""


def test_airflow_lists_the_hook_and_tests_the_connection(airflow_command, ismart_sandbox):
    hooks = airflow_command("providers", "hooks", "--output", "json")
    good = airflow_command("connections", "test", "ismart_default")
    wrong = ismart_sandbox.connection_json().replace(ismart_sandbox.password, "wrong")
    bad = airflow_command("connections", "test", "ismart_default", AIRFLOW_CONN_ISMART_DEFAULT=wrong)
    known, tested, refused = (command.output() for command in (hooks, good, bad))
    assert "airflow_provider_ismart.hooks.ismart.ISmartHook" in known
    assert "iSmart SMS" in known
    assert "Connection success!" in tested
    assert "Connection failed!\nThe gateway answered return code 3 (User or password is wrong)." in refused
    assert (len(ismart_sandbox.calls), ismart_sandbox.messages) == (2, [])
