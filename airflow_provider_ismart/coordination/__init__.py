"""State that tasks and callbacks share through Airflow Variables and XCom."""
