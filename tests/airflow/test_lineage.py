"""Check the lineage of a send, as Airflow collects it for OpenLineage and similar tools."""

import json
import sqlite3
from contextlib import closing


def test_a_send_reports_its_sources_and_the_gateway_as_lineage(
    airflow_command, airflow_db, airflow_version, ismart_sandbox, tmp_path
):
    for digit, name in enumerate(("local people.csv", "parts/a.csv", "parts/b.csv", "deep/people.csv"), 1):
        path = tmp_path / name
        if "deep" in name:
            path = tmp_path.joinpath(*["d" * 250] * 7) / "people.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"msisdn\n9689000000{digit}\n", encoding="utf-8")
    with closing(sqlite3.connect(tmp_path / "people.db")) as database:
        database.execute("CREATE TABLE people (msisdn TEXT)")
        database.execute("INSERT INTO people VALUES ('96890000005')")
        database.commit()

    collected = tmp_path / "lineage.json"
    output = airflow_command(
        "dags",
        "test",
        "lineage",
        AIRFLOW_CONN_PEOPLE_DB=json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "people.db")}),
        PEOPLE_FOLDER=str(tmp_path),
        LINEAGE=str(collected),
    ).output()

    told = sorted(message.msisdn for message in ismart_sandbox.messages)
    assert told == [f"9689000000{digit}" for digit in range(1, 6)], output  # lineage that fails stops no send
    lineage = json.loads(collected.read_text(encoding="utf-8"))
    assert lineage["outputs"] == [f"ismart://127.0.0.1:{ismart_sandbox.port}/sms"]
    shown = [uri for uri in lineage["inputs"] if "ddd" not in uri]  # Airflow 2 takes any length
    assert shown == [f"file://{tmp_path}/local%20people.csv", f"file://{tmp_path}/parts"]
    assert lineage["queries"] == [{"sql": "SELECT * FROM people WHERE msisdn = ?", "row_count": 1}]
    assert f"Could not report the lineage of file://{tmp_path}/ddd" in output or airflow_version < (3, 0)
