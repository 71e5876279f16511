"""The pages: each module fills the view of one template from the store."""

from server.web.pages import add, compare, docs, fleet, host, imports, signatures

# the order matters: /hosts/add is not a host
routers = (fleet.router, add.router, imports.router, host.router, compare.router, signatures.router, docs.router)
