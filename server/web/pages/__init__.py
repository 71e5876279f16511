"""The pages: each module fills the view of one template from the store."""

from server.web.pages import (
    add,
    compare,
    detection_settings,
    docs,
    fleet,
    host,
    imports,
    leak,
    leaks,
    program,
    signatures,
    triage,
)

# the order matters: /hosts/add is not a host
routers = (
    fleet.router,
    leaks.router,
    triage.router,
    leak.router,
    add.router,
    imports.router,
    host.router,
    program.router,
    compare.router,
    signatures.router,
    detection_settings.router,
    docs.router,
)
