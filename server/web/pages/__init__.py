"""The pages: each module fills the view of one template from the store."""

from server.web.pages import add, docs, fleet, host, imports, signatures

# the order matters: /hosts/add is not a host
routers = (fleet.router, add.router, imports.router, host.router, signatures.router, docs.router)
