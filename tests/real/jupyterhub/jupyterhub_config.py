"""A JupyterHub for people who sign in with any password, with a service `bridge` that may manage
users and groups. start.sh hands over everything that differs from run to run."""

import os

c = get_config()  # noqa: F821: JupyterHub puts it there

state = os.environ["STATE_DIR"]
proxy, hub, control = os.environ["PORTS"].split()

c.JupyterHub.bind_url = f"http://127.0.0.1:{proxy}"
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{hub}"
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{control}"
c.ConfigurableHTTPProxy.command = [f"{state}/node_modules/.bin/configurable-http-proxy"]
c.ConfigurableHTTPProxy.pid_file = f"{state}/proxy.pid"
c.JupyterHub.db_url = f"sqlite:///{state}/hub.sqlite"
c.JupyterHub.cookie_secret_file = f"{state}/cookie_secret"

c.JupyterHub.authenticator_class = "dummy"
c.JupyterHub.spawner_class = "simple"
# Who has been deleted must stay out, so only those whom the Hub knows may sign in.
c.Authenticator.allow_all = False
c.Authenticator.allow_existing_users = True
c.Authenticator.admin_users = {"hubadmin"}

c.JupyterHub.services = [{"name": "bridge", "api_token": os.environ["TOKEN"]}]
c.JupyterHub.load_roles = [
    {
        "name": "bridge",
        "services": ["bridge"],
        "scopes": ["admin:users", "list:users", "admin:groups", "list:groups", "groups"],
    }
]
