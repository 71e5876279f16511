from pathlib import Path

from server.app import create_app
from server.settings import load_settings
from server.web.api.described import describe


def test_the_description_names_every_field_of_a_push(tmp_path: Path) -> None:
    app = create_app(load_settings({"HANDLEWATCH_DATA_DIR": str(tmp_path)}))
    document = describe(app)
    app.state.authenticator.close()
    app.state.database.close()
    assert "/api/v1/snapshots" in document["paths"]
    schemas = document["components"]["schemas"]
    assert set(schemas["Push"]["properties"]) == {"host", "snapshots", "collector", "sent_at", "inventory"}
    assert set(schemas["Snapshot"]["properties"]) == {"time", "processes", "coverage", "machine"}
    assert set(schemas["Collector"]["properties"]) == {"version", "source", "interval_s", "cost"}
