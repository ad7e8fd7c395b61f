"""Makes an application credential for the bridge: seed.py URL, with the administrator's PASSWORD in the
environment. Prints its id and its secret, a line each.

Keystone shows the secret once, so the caller keeps what is printed.
"""

import json
import os
import sys
import urllib.request


def call(verb, url, body, headers=()):
    request = urllib.request.Request(url, json.dumps(body).encode(), dict(headers), method=verb)
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.headers, json.load(answer)


def main(base):
    admin = {"name": "admin", "domain": {"id": "default"}, "password": os.environ["PASSWORD"]}
    project = {"name": "admin", "domain": {"id": "default"}}
    signing = {"identity": {"methods": ["password"], "password": {"user": admin}}, "scope": {"project": project}}
    headers, session = call("POST", f"{base}/auth/tokens", {"auth": signing})
    own = session["token"]["user"]["id"]
    wanted = {"application_credential": {"name": "scim-bridge", "description": "Users and groups"}}
    token = {"X-Auth-Token": headers["X-Subject-Token"]}
    made = call("POST", f"{base}/users/{own}/application_credentials", wanted, token)[1]["application_credential"]
    print(made["id"])
    print(made["secret"])


main(sys.argv[1])
