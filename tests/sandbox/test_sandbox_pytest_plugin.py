import subprocess
import sys


def run_python(*arguments, cwd):
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=60, cwd=cwd, check=False
    )


def test_the_fixture_gives_each_test_a_clean_sandbox(tmp_path):
    (tmp_path / "test_mine.py").write_text(
        """
from urllib.request import urlopen

PATH = "/iBulkSMS/HttpWS/SMSDynamicAPI.aspx?UserId=sandbox-user&Password=sandbox-password"
CALL = PATH + "&MobileNo=96890000001&Message=Hello&Lang=0&FLashSMS=N"


def test_one(ismart_sandbox):
    ismart_sandbox.configure(credit=1)
    with urlopen(ismart_sandbox.url + CALL) as response:
        assert response.read() == b"1"
    assert len(ismart_sandbox.messages) == 1
    ismart_sandbox.stop()


test_two = test_three = test_one
"""
    )
    ended = run_python("-m", "pytest", "-W", "error", "-p", "no:cacheprovider", cwd=tmp_path)
    assert "3 passed" in ended.stdout, ended.stdout + ended.stderr


def test_the_plugin_loads_the_server_only_if_the_fixture_is_used(tmp_path):
    script = (
        "import sys, airflow_provider_ismart.sandbox.pytest_plugin\n"
        "heavy = {'uvicorn', 'starlette', 'asyncio', 'airflow', 'pandas'} & set(sys.modules)\n"
        "ours = {name for name in sys.modules if name.startswith('airflow_provider_ismart.')}\n"
        "print(sorted(heavy), sorted(ours))\n"
    )
    ended = run_python("-c", script, cwd=tmp_path)
    assert ended.stdout.strip() == (
        "[] ['airflow_provider_ismart.sandbox', 'airflow_provider_ismart.sandbox.pytest_plugin']"
    )


def test_without_the_extra_the_error_names_what_to_install(tmp_path):
    script = (
        "import sys\n"
        "sys.modules['starlette'] = sys.modules['starlette.types'] = None\n"
        "from airflow_provider_ismart.sandbox import Sandbox\n"
        "Sandbox().start()\n"
    )
    ended = run_python("-c", script, cwd=tmp_path)
    assert "with its extra sandbox" in ended.stderr.splitlines()[-1]


def test_the_sandbox_shares_no_code_with_the_client_and_needs_no_airflow(tmp_path):
    script = (
        "import sys\n"
        "from airflow_provider_ismart.sandbox import Sandbox\n"
        "with Sandbox(): pass\n"
        "ours = {name for name in sys.modules if name.startswith('airflow_provider_ismart.')}\n"
        "print({name.split('.')[1] for name in ours}, 'airflow' in sys.modules, 'pandas' in sys.modules)\n"
    )
    ended = run_python("-c", script, cwd=tmp_path)
    assert ended.stdout.strip() == "{'sandbox'} False False", ended.stderr
