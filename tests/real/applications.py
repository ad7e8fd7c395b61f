"""What the driver asks an application itself, by its own interface and past the bridge.

Each class answers in the same neutral words: a user is a dict with `name`, `active` and what else the
application holds, a group one with `name` and `members`, which are user names.
"""

import base64
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request


class Refused(Exception):
    """The application answered with a status that is no success."""

    def __init__(self, status, text):
        super().__init__(f"the application answered {status}: {text[:300]}")
        self.status = status


def call(verb, url, body=None, headers=None):
    """Sends JSON, gives the JSON of the answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers or {}, method=verb)
    request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
    except urllib.error.HTTPError as error:
        raise Refused(error.code, error.read().decode(errors="replace")) from error
    return json.loads(text) if text else None


def segment(text):
    return urllib.parse.quote(text, safe="")


class PocketBase:
    """Reads the collections `users` and `groups` as a superuser."""

    keeps_names = False
    renames_groups = True
    shows_inactive = True
    splits_names = False
    takes_odd_names = True

    def __init__(self):
        self.base = os.environ["BASE_URL"]
        self.identity = os.environ["IDENTITY"]
        self.password = os.environ["PASSWORD"]
        self.sign_in()

    def sign_in(self):
        who = {"identity": self.identity, "password": self.password}
        answer = call("POST", f"{self.base}/collections/_superusers/auth-with-password", who)
        self.token, self.own_id = answer["token"], answer["record"]["id"]

    def call(self, verb, path, body=None):
        url = f"{self.base}/collections/{path}"
        return call(verb, url, body, {"Authorization": self.token})

    def records(self, collection):
        found, page = [], 1
        while True:
            answer = self.call("GET", f"{collection}/records?perPage=500&page={page}&sort=id")
            found += answer["items"]
            if len(found) >= answer["totalItems"]:
                return found
            page += 1

    def record(self, collection, field, name):
        return next((one for one in self.records(collection) if one[field] == name), None)

    def user(self, name):
        record = self.record("users", "username", name)
        return record and {
            "name": record["username"], "active": not record["disabled"], "email": record["email"],
            "display": record["name"], "external": record["external_id"], "mark": record["about"],
        }

    def group(self, name):
        record = self.record("groups", "title", name)
        names = {one["id"]: one["username"] for one in self.records("users")}
        return record and {
            "name": record["title"], "members": sorted(names[one] for one in record["members"]),
            "external": record["external_id"], "mark": record["about"],
        }

    def mark_user(self, name):
        """Writes a field that no mapping knows."""
        record = self.record("users", "username", name)
        self.call("PATCH", f"users/records/{record['id']}", {"about": "not yours"})

    def mark_group(self, name):
        record = self.record("groups", "title", name)
        self.call("PATCH", f"groups/records/{record['id']}", {"about": "not yours"})

    def lets_in(self, email, password):
        """Whether somebody can sign in."""
        who = {"identity": email, "password": password}
        try:
            call("POST", f"{self.base}/collections/users/auth-with-password", who)
        except Refused as refused:
            if refused.status in (400, 403):
                return False
            raise
        return True

    def end_sessions(self):
        """Makes every token of the superuser invalid, the bridge's too: setting a password does."""
        change = {"password": self.password, "passwordConfirm": self.password}
        self.call("PATCH", f"_superusers/records/{self.own_id}", change)
        self.sign_in()


class JupyterHub:
    """Reads the Hub's users and groups with the service's token."""

    keeps_names = True      # in small letters
    renames_groups = False
    shows_inactive = False  # who is switched off is not there
    splits_names = True
    takes_odd_names = True

    def __init__(self):
        self.base = os.environ["BASE_URL"]
        self.token = os.environ["TOKEN"]

    def call(self, verb, path, body=None):
        return call(verb, f"{self.base}/{path}", body, {"Authorization": f"token {self.token}"})

    def found(self, path):
        try:
            return self.call("GET", path)
        except Refused as refused:
            if refused.status == 404:
                return None
            raise

    def user(self, name):
        user = self.found(f"users/{segment(name)}")
        return user and {"name": user["name"], "active": True, "admin": user["admin"]}

    def group(self, name):
        group = self.found(f"groups/{segment(name)}")
        return group and {
            "name": group["name"], "members": sorted(group["users"]),
            "external": group["properties"].get("scim_external_id", ""),
            "mark": group["properties"].get("mark", ""),
        }

    def mark_user(self, name):
        """The Hub holds nothing about a user that a service could write."""

    def mark_group(self, name):
        properties = self.found(f"groups/{segment(name)}")["properties"]
        self.call("PUT", f"groups/{segment(name)}/properties", {**properties, "mark": "not yours"})


class Keystone:
    """Reads the users and groups of the default domain as the administrator."""

    keeps_names = False
    renames_groups = True
    shows_inactive = True
    splits_names = True
    takes_odd_names = True

    def __init__(self):
        self.base = os.environ["BASE_URL"] + "/v3"
        self.password = os.environ["PASSWORD"]
        self.own_id = self.sign_in({"name": "admin", "domain": {"id": "default"}, "password": self.password})

    def sign_in(self, who):
        """Carries the token from now on, and gives the id of who it is."""
        password = {"methods": ["password"], "password": {"user": who}}
        scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
        body = json.dumps({"auth": {"identity": password, "scope": scope}}).encode()
        request = urllib.request.Request(
            f"{self.base}/auth/tokens", body, {"Content-Type": "application/json"}, method="POST")
        with urllib.request.urlopen(request, timeout=30) as answer:
            self.token = answer.headers["X-Subject-Token"]
            return json.load(answer)["token"]["user"]["id"]

    def call(self, verb, path, body=None):
        return call(verb, f"{self.base}/{path}", body, {"X-Auth-Token": self.token})

    def found(self, kind, name):
        url = f"{kind}?domain_id=default&name={segment(name)}"
        return next(iter(self.call("GET", url)[kind]), None)

    def user(self, name):
        user = self.found("users", name)
        return user and {
            "name": user["name"], "active": user["enabled"], "email": user.get("email"),
            "display": user.get("description"), "external": user.get("scim_external_id"), "mark": user.get("mark"),
        }

    def group(self, name):
        group = self.found("groups", name)
        return group and {
            "name": group["name"], "external": group.get("scim_external_id"), "mark": group.get("mark"),
            "members": sorted(one["name"] for one in self.call("GET", f"groups/{group['id']}/users")["users"]),
        }

    def mark_user(self, name):
        """Writes a member that no mapping knows."""
        self.call("PATCH", f"users/{self.found('users', name)['id']}", {"user": {"mark": "not yours"}})

    def mark_group(self, name):
        self.call("PATCH", f"groups/{self.found('groups', name)['id']}", {"group": {"mark": "not yours"}})

    def lets_in(self, email, password):
        """Whether somebody can sign in."""
        users = self.call("GET", "users?domain_id=default")["users"]
        who = next(user for user in users if user.get("email") == email)
        identity = {"methods": ["password"], "password": {"user": {"id": who["id"], "password": password}}}
        try:
            call("POST", f"{self.base}/auth/tokens", {"auth": {"identity": identity}})
        except Refused as refused:
            if refused.status == 401:
                return False
            raise
        return True

    def end_sessions(self):
        """Makes every token of the administrator invalid, the bridge's too: setting a password does."""
        change = {"original_password": self.password, "password": self.password}
        self.call("POST", f"users/{self.own_id}/password", {"user": change})
        # What Keystone ends, it ends with all that was issued in the same second.
        time.sleep(1.1)
        self.sign_in({"id": self.own_id, "password": self.password})


class Roundup:
    """Reads the tracker's users and groups of users as its administrator."""

    keeps_names = False
    renames_groups = True
    shows_inactive = True
    splits_names = True
    takes_odd_names = False  # letters, digits and @._-!+%

    def __init__(self):
        self.base = os.environ["BASE_URL"] + "/rest/data"
        self.own = (os.environ["IDENTITY"], os.environ["PASSWORD"])

    def call(self, verb, path, body=None, who=None, **headers):
        basic = base64.b64encode(":".join(who or self.own).encode()).decode()
        headers |= {"Authorization": f"Basic {basic}", "X-Requested-With": "rest", "Origin": os.environ["BASE_URL"]}
        return call(verb, f"{self.base}/{path}", body, headers)

    def found(self, kind, key, name, fields):
        # Its own search looks for parts in any letter case, and retired ones are in no list.
        items = self.call("GET", f"{kind}?@fields={key},{fields}")["data"]["collection"]
        return next((one for one in items if one[key] == name), None)

    def user(self, name):
        user = self.found("user", "username", name, "roles,address,realname,external_id,mark")
        return user and {
            "name": user["username"], "active": bool(user["roles"]), "email": user["address"],
            "display": user["realname"], "external": user["external_id"], "mark": user["mark"],
        }

    def group(self, name):
        group = self.found("usergroup", "name", name, "external_id,mark,members")
        users = self.call("GET", "user?@fields=username")["data"]["collection"]
        # A retired user stays in the list of members, where Roundup shows nobody any more.
        names = {one["id"]: one["username"] for one in users}
        return group and {
            "name": group["name"], "external": group["external_id"], "mark": group["mark"],
            "members": sorted(names[one["id"]] for one in group["members"] if one["id"] in names),
        }

    def mark(self, path):
        etag = self.call("GET", path)["data"]["@etag"]
        self.call("PATCH", path, {"mark": "not yours"}, **{"If-Match": etag})

    def mark_user(self, name):
        """Writes an attribute that no mapping knows."""
        self.mark(f"user/{self.found('user', 'username', name, 'id')['id']}")

    def mark_group(self, name):
        self.mark(f"usergroup/{self.found('usergroup', 'name', name, 'id')['id']}")

    def lets_in(self, email, password):
        """Whether somebody can sign in."""
        users = self.call("GET", "user?@fields=username,address")["data"]["collection"]
        name = next(user["username"] for user in users if user["address"] == email)
        try:
            self.call("GET", "user?@page_size=1", who=(name, password))
        except Refused as refused:
            if refused.status in (401, 403):
                return False
            raise
        return True


APPLICATIONS = {"pocketbase": PocketBase, "jupyterhub": JupyterHub, "keystone": Keystone, "roundup": Roundup}
