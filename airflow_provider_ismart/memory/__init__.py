"""What tasks and callbacks leave for one another, in Airflow's Variables and XComs."""
