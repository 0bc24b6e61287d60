"""Share state between tasks and callbacks, through Airflow Variables, XCom and file locks."""
