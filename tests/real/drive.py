"""Plays an identity provider against a bridge in front of a real application, and asks the
application itself after every step whether it is so.

drive.py --base URL --token TOKEN --app pocketbase|jupyterhub|keystone|roundup

The application's values are in the environment, as the `env` file of its start.sh has them. Requests
have the forms that Entra ID and Okta send. Answers are read by scim2-client, which knows them from the
bridge's own /Schemas and refuses whatever does not keep to it.
"""

import argparse
import json
import secrets
import sys
import traceback
import uuid

import httpx2
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_models import Context

from applications import APPLICATIONS

CORE_USER = "urn:ietf:params:scim:schemas:core:2.0:User"
CORE_GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
PASSWORD = "correct horse battery"


def equal(found, wanted, what):
    assert found == wanted, f"{what}: wanted {wanted!r}, found {found!r}"


class Scim:
    """The bridge, in plain dicts. Every answer has been validated on its way."""

    def __init__(self, base, token):
        http = httpx2.Client(base_url=base, headers={"Authorization": f"Bearer {token}"}, timeout=60)
        # Identity providers send what no schema allows, so requests are not checked.
        self.client = SyncSCIMClient(http, check_request_payload=False, raise_scim_errors=False)

    def discover(self):
        self.client.discover()
        self.models = {name: self.client.get_resource_model(name) for name in ("User", "Group")}
        return self.models

    @staticmethod
    def plain(answer):
        return None if answer is None else json.loads(answer.model_dump_json())

    def validated(self, kind, answer, context):
        """scim2-client leaves the answer to an unchecked request as it is, unless it is an error."""
        if not isinstance(answer, dict):
            return self.plain(answer)
        self.models[kind].model_validate(answer, scim_ctx=context)
        return answer

    def create(self, kind, body):
        answer = self.client.create(body, url=f"/{kind}s")
        return self.validated(kind, answer, Context.RESOURCE_CREATION_RESPONSE)

    def get(self, kind, id, **parameters):
        return self.plain(self.client.query(self.models[kind], id, query_parameters=parameters))

    def find(self, kind, filter=None, **parameters):
        if filter is not None:
            parameters["filter"] = filter
        return self.plain(self.client.query(self.models[kind], query_parameters=parameters))

    def patch(self, kind, id, *operations):
        body = {"schemas": [PATCH_OP], "Operations": list(operations)}
        return self.plain(self.client.modify(self.models[kind], id, body))

    def replace(self, kind, body):
        answer = self.client.replace(body, url=f"/{kind}s/{body['id']}")
        return self.validated(kind, answer, Context.RESOURCE_REPLACEMENT_RESPONSE)

    def delete(self, kind, id):
        return self.plain(self.client.delete(self.models[kind], id))


def refused(answer, status, scim_type=None):
    assert answer is not None, f"wanted {status}, got a success without a body"
    equal(str(answer.get("status")), str(status), f"the status of {answer}")
    if scim_type is not None:
        equal(answer.get("scimType"), scim_type, "scimType")


def one(answer):
    equal(answer.get("totalResults"), 1, f"the number of hits in {answer}")
    return answer["Resources"][0]


class Tour:
    """The steps, in the order of their names in STEPS below. Each leaves things to the next."""

    def __init__(self, scim, app):
        self.scim, self.app = scim, app
        mark = secrets.token_hex(3)
        self.ada, self.bob, self.cem = (f"{name}.{mark}@example.org" for name in ("Ada", "bob", "cem"))
        self.odd = f"o'brien \"{mark}\" % _ + é"
        self.research, self.night = f"Research / {mark} & more", f"night {mark}"
        self.ids = {}

    # What the application must show.

    def name_there(self, name):
        return name.lower() if self.app.keeps_names else name

    def shows_user(self, name, active=True, **more):
        user = self.app.user(self.name_there(name))
        if not active and not self.app.shows_inactive:
            equal(user, None, "the user in the application")
            return
        assert user is not None, f"the application has no user {name}"
        equal(user["active"], active, "active in the application")
        for key, wanted in more.items():
            if key in user:
                equal(user[key], wanted, f"{key} in the application")

    def shows_no_user(self, name):
        equal(self.app.user(self.name_there(name)), None, "the user in the application")

    def shows_group(self, name, *members, **more):
        group = self.app.group(name)
        assert group is not None, f"the application has no group {name}"
        equal(group["members"], sorted(map(self.name_there, members)), "members in the application")
        for key, wanted in more.items():
            equal(group[key], wanted, f"{key} in the application")

    # Users.

    def discovery(self):
        models = self.scim.discover()
        assert all(models.values()), f"no model for one of {models}"

    def test_connection(self):
        found = self.scim.find("User", f'userName eq "{uuid.uuid4()}"')
        equal(found["totalResults"], 0, "hits")

    def create(self):
        made = self.scim.create("User", {
            "schemas": [CORE_USER], "userName": self.ada, "externalId": f"hr-{self.ada}", "active": True,
            "displayName": "Ada Lovelace", "name": {"givenName": "Ada", "familyName": "Lovelace"},
            "emails": [{"primary": True, "type": "work", "value": self.ada}], "password": PASSWORD,
            "meta": {"resourceType": "User"},
        })
        assert "id" in made, made
        self.ids[self.ada] = made["id"]
        equal(made["name"]["givenName"], "Ada", "name.givenName")
        assert "password" not in made, "the password came back"
        self.shows_user(self.ada, display="Ada Lovelace", email=self.ada, external=f"hr-{self.ada}")
        self.app.mark_user(self.name_there(self.ada))

    def create_more(self):
        for name in (self.bob, self.cem):
            made = self.scim.create("User", {
                "schemas": [CORE_USER], "userName": name, "externalId": f"hr-{name}", "active": True,
                "emails": [{"primary": True, "type": "work", "value": name}], "displayName": name})
            assert "id" in made, made
            self.ids[name] = made["id"]
            self.shows_user(name, email=name)

    def match(self):
        equal(one(self.scim.find("User", f'userName eq "{self.ada}"'))["id"], self.ids[self.ada], "id")

    def match_in_other_letters(self):
        for name in (self.ada.upper(), self.ada.lower()):
            found = one(self.scim.find("User", f'userName eq "{name}"', startIndex=1, count=100))
            equal(found["id"], self.ids[self.ada], "id")

    def match_by_external_id(self):
        found = one(self.scim.find("User", f'externalId eq "hr-{self.ada}"'))
        equal(found["id"], self.ids[self.ada], "id")

    def no_way_out_of_quotes_and_paths(self):
        for name in ('x" || id != "', "\\", "' || 1=1 || username='", "..", "../groups", "x?y#z", "%", "*"):
            found = self.scim.find("User", f"userName eq {json.dumps(name)}")
            equal(found["totalResults"], 0, f"hits for {name}")

    def duplicate(self):
        body = {"schemas": [CORE_USER], "userName": self.ada, "active": True,
                "emails": [{"type": "work", "value": f"other-{self.ada}"}]}
        refused(self.scim.create("User", body), 409, "uniqueness")
        refused(self.scim.create("User", {**body, "userName": self.ada.upper()}), 409, "uniqueness")
        self.shows_user(self.ada, display="Ada Lovelace", email=self.ada)

    def odd_names(self):
        made = self.scim.create("User", {"schemas": [CORE_USER], "userName": self.odd, "active": True,
                                         "emails": [{"type": "work", "value": "odd-" + self.bob}]})
        if not self.app.takes_odd_names:
            refused(made, 400, "invalidValue")
            self.shows_no_user(self.odd)
            return
        assert "id" in made, made
        self.shows_user(self.odd)
        quoted = json.dumps(self.odd.upper(), ensure_ascii=False)
        equal(one(self.scim.find("User", f"userName eq {quoted}"))["id"], made["id"], "id")
        equal(self.scim.delete("User", made["id"]), None, "the answer")
        self.shows_no_user(self.odd)

    def rename(self):
        old, self.ada = self.ada, f"Ada.King.{self.ada[4:]}"
        self.ids[self.ada] = self.ids[old]
        answer = self.scim.patch("User", self.ids[self.ada], {"op": "replace", "value": {"userName": self.ada}})
        equal(answer["id"], self.ids[self.ada], "id")
        equal(answer["userName"], self.name_there(self.ada), "userName")
        self.shows_no_user(old)
        self.shows_user(self.ada, display="Ada Lovelace", mark="not yours")
        equal(self.scim.find("User", f'userName eq "{old}"')["totalResults"], 0, "hits for the old name")

    def rename_onto_a_taken_name(self):
        operation = {"op": "Replace", "path": "userName", "value": self.bob}
        refused(self.scim.patch("User", self.ids[self.ada], operation), 409, "uniqueness")
        self.shows_user(self.ada)
        self.shows_user(self.bob)

    def change_attributes(self):
        email = f"new-{self.ada}"
        answer = self.scim.patch(
            "User", self.ids[self.ada],
            {"op": "Replace", "path": 'emails[type eq "work"].value', "value": email},
            {"op": "Add", "path": "displayName", "value": "Ada King"},
            {"op": "Add", "path": "name.familyName", "value": "King"})
        equal(answer["displayName"], "Ada King", "displayName")
        equal(answer["name"]["familyName"], "King", "name.familyName")
        equal(answer["name"]["givenName"], "Ada", "name.givenName")
        self.shows_user(self.ada, email=email, display="Ada King", mark="not yours", external=f"hr-Ada{self.ada[8:]}")

    def read_merge_put(self):
        whole = self.scim.get("User", self.ids[self.ada])
        whole["displayName"] = "Ada, Countess of Lovelace"
        answer = self.scim.replace("User", whole)
        equal(answer["displayName"], "Ada, Countess of Lovelace", "displayName")
        equal(answer["externalId"], whole["externalId"], "externalId")
        equal(answer["active"], True, "active")
        self.shows_user(self.ada, display="Ada, Countess of Lovelace", email=f"new-{self.ada}", mark="not yours")

    def pages(self):
        seen, start, total = [], 1, None
        while total is None or len(seen) < total:
            page = self.scim.find("User", startIndex=start, count=2)
            total = page["totalResults"]
            ids = [user["id"] for user in page.get("Resources", [])]
            assert 0 < len(ids) <= 2, f"{len(ids)} users on a page of 2, {len(seen)} of {total} seen"
            seen += ids
            start += len(ids)
        equal(len(seen), len(set(seen)), "the number of different users")
        assert set(self.ids.values()) <= set(seen), "somebody is missing from the list"

    # Groups.

    def create_groups(self):
        made = self.scim.create("Group", {
            "schemas": [CORE_GROUP, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
            "displayName": self.research, "externalId": "g-1", "members": [{"value": self.ids[self.ada]}]})
        assert "id" in made, made
        self.ids[self.research] = made["id"]
        self.shows_group(self.research, self.ada, external="g-1")
        self.app.mark_group(self.research)
        made = self.scim.create("Group", {"schemas": [CORE_GROUP], "displayName": self.night, "members": []})
        assert "id" in made, made
        self.ids[self.night] = made["id"]
        self.shows_group(self.night)

    def match_group(self):
        for name in (self.research, self.research.lower()):
            quoted = json.dumps(name)
            found = one(self.scim.find("Group", f"displayName eq {quoted}", excludedAttributes=["members"]))
            equal(found["id"], self.ids[self.research], "id")
            assert "members" not in found, "members came although they were excluded"

    def duplicate_group(self):
        body = {"schemas": [CORE_GROUP], "displayName": self.research}
        refused(self.scim.create("Group", body), 409, "uniqueness")
        self.shows_group(self.research, self.ada, external="g-1", mark="not yours")

    def add_members(self):
        id = self.ids[self.research]
        equal(self.scim.patch("Group", id, {"op": "Add", "path": "members", "value": [
            {"$ref": None, "value": self.ids[self.bob]}, {"$ref": None, "value": self.ids[self.cem]}]}), None, "the answer")
        self.shows_group(self.research, self.ada, self.bob, self.cem, mark="not yours")
        equal(self.scim.patch("Group", self.ids[self.night], {"op": "add", "path": "members", "value": [
            {"value": self.ids[self.ada]}]}), None, "the answer")
        self.shows_group(self.night, self.ada)

    def remove_member(self):
        id = self.ids[self.research]
        path = f'members[value eq "{self.ids[self.bob]}"]'
        self.scim.patch("Group", id, {"op": "remove", "path": path})
        self.shows_group(self.research, self.ada, self.cem, external="g-1", mark="not yours")

    def again_is_no_error(self):
        id = self.ids[self.research]
        answer = self.scim.patch(
            "Group", id, {"op": "Remove", "path": "members", "value": [{"value": self.ids[self.bob]}]},
            {"op": "Add", "path": "members", "value": [{"value": self.ids[self.cem]}]})
        equal(answer, None, "the answer")
        self.shows_group(self.research, self.ada, self.cem)

    def a_member_whom_nobody_knows(self):
        operation = {"op": "add", "path": "members", "value": [{"value": "nobodynobody123"}]}
        answer = self.scim.patch("Group", self.ids[self.research], operation)
        # Where the bridge issues the ids it knows that there is nobody, and leaves nobody out.
        if answer is not None:
            refused(answer, 400)
        self.shows_group(self.research, self.ada, self.cem)

    def replace_members(self):
        # More than once: adds and removes that overtake each other are lost now and then only.
        for name in [self.bob, self.cem] * 5 + [self.bob]:
            value = [{"value": self.ids[one], "display": None} for one in (self.ada, name)]
            self.scim.patch("Group", self.ids[self.research], {"op": "replace", "path": "members", "value": value})
            self.shows_group(self.research, self.ada, name, external="g-1", mark="not yours")
        members = {member["value"] for member in self.scim.get("Group", self.ids[self.research])["members"]}
        equal(members, {self.ids[self.ada], self.ids[self.bob]}, "members")

    def groups_of_a_user(self):
        user = self.scim.get("User", self.ids[self.ada], attributes=["groups"])
        found = {group["value"] for group in user.get("groups", [])}
        equal(found, {self.ids[self.research], self.ids[self.night]}, "groups")

    def rename_group(self):
        new = f"{self.night} and day"
        value = {"id": self.ids[self.night], "displayName": new}
        answer = self.scim.patch("Group", self.ids[self.night], {"op": "replace", "value": value})
        if not self.app.renames_groups:
            refused(answer, 400, "mutability")
            self.shows_group(self.night, self.ada)
            equal(self.app.group(new), None, "a group of the new name")
            return
        self.ids[new] = self.ids[self.night]
        self.shows_group(new, self.ada)
        equal(self.app.group(self.night), None, "the group under its old name")
        self.night = new

    # Leaving and returning.

    def deactivate(self):
        if hasattr(self.app, "lets_in"):
            assert self.app.lets_in(f"new-{self.ada}", PASSWORD), "cannot sign in before"
        answer = self.scim.patch("User", self.ids[self.ada], {"op": "Replace", "path": "active", "value": "False"})
        equal(answer["active"], False, "active")
        self.shows_user(self.ada, active=False, display="Ada, Countess of Lovelace", mark="not yours")
        if hasattr(self.app, "lets_in"):
            assert not self.app.lets_in(f"new-{self.ada}", PASSWORD), "signs in although switched off"

    def match_while_inactive(self):
        for found in (one(self.scim.find("User", f'userName eq "{self.ada.upper()}"')),
                      self.scim.get("User", self.ids[self.ada])):
            equal((found["id"], found["active"]), (self.ids[self.ada], False), "id and active")
            equal(found["displayName"], "Ada, Countess of Lovelace", "displayName")

    def duplicate_of_somebody_inactive(self):
        body = {"schemas": [CORE_USER], "userName": self.ada, "emails": [{"type": "work", "value": f"x-{self.ada}"}]}
        refused(self.scim.create("User", body), 409, "uniqueness")
        self.shows_user(self.ada, active=False)

    def leave_a_group_while_inactive(self):
        path = f'members[value eq "{self.ids[self.ada]}"]'
        equal(self.scim.patch("Group", self.ids[self.night], {"op": "remove", "path": path}), None, "the answer")
        self.shows_group(self.night)

    def reactivate(self):
        answer = self.scim.patch("User", self.ids[self.ada], {"op": "replace", "value": {"active": True}})
        equal((answer["id"], answer["active"]), (self.ids[self.ada], True), "id and active")
        equal(answer["displayName"], "Ada, Countess of Lovelace", "displayName")
        self.shows_user(self.ada, display="Ada, Countess of Lovelace", mark="not yours")
        self.shows_group(self.research, self.ada, self.bob, mark="not yours")

    def what_was_left_stays_left(self):
        self.shows_group(self.night)

    # The bridge's own session.

    def nobody_vanishes_with_the_session(self):
        if not hasattr(self.app, "end_sessions"):
            return
        id = self.ids[self.ada]
        self.app.end_sessions()
        equal(one(self.scim.find("User", f'userName eq "{self.ada}"'))["id"], id, "id")
        self.app.end_sessions()
        equal(self.scim.get("User", id)["id"], id, "id")
        self.app.end_sessions()
        self.scim.patch("Group", self.ids[self.night], {"op": "add", "path": "members", "value": [{"value": id}]})
        self.shows_group(self.night, self.ada)
        self.app.end_sessions()
        equal(one(self.scim.find("Group", f'displayName eq "{self.night}"'))["id"], self.ids[self.night], "id")
        self.app.end_sessions()

    # The end.

    def delete(self):
        id = self.ids[self.ada]
        equal(self.scim.delete("User", id), None, "the answer")
        self.shows_no_user(self.ada)
        refused(self.scim.get("User", id), 404)
        equal(self.scim.find("User", f'userName eq "{self.ada}"')["totalResults"], 0, "hits")
        refused(self.scim.delete("User", id), 404)
        self.shows_group(self.research, self.bob, mark="not yours")

    def delete_somebody_inactive(self):
        id = self.ids[self.bob]
        self.scim.patch("User", id, {"op": "replace", "value": {"active": False}})
        self.shows_user(self.bob, active=False)
        equal(self.scim.delete("User", id), None, "the answer")
        self.shows_no_user(self.bob)
        refused(self.scim.get("User", id), 404)

    def the_name_is_free_again(self):
        made = self.scim.create("User", {"schemas": [CORE_USER], "userName": self.bob, "active": True,
                                         "emails": [{"type": "work", "value": self.bob}]})
        assert made.get("id") not in (None, self.ids[self.bob]), made
        self.shows_user(self.bob)
        for id in (made["id"], self.ids[self.cem]):
            equal(self.scim.delete("User", id), None, "the answer")
        self.shows_no_user(self.bob)
        self.shows_no_user(self.cem)

    def delete_groups(self):
        for name in (self.research, self.night):
            equal(self.scim.delete("Group", self.ids[name]), None, "the answer")
            equal(self.app.group(name), None, "the group in the application")
            refused(self.scim.get("Group", self.ids[name]), 404)
            refused(self.scim.delete("Group", self.ids[name]), 404)


STEPS = [
    Tour.discovery, Tour.test_connection, Tour.create, Tour.create_more, Tour.match,
    Tour.match_in_other_letters, Tour.match_by_external_id, Tour.no_way_out_of_quotes_and_paths,
    Tour.duplicate, Tour.odd_names, Tour.rename, Tour.rename_onto_a_taken_name, Tour.change_attributes,
    Tour.read_merge_put, Tour.pages, Tour.create_groups, Tour.match_group, Tour.duplicate_group,
    Tour.add_members, Tour.remove_member, Tour.again_is_no_error, Tour.a_member_whom_nobody_knows,
    Tour.replace_members, Tour.groups_of_a_user, Tour.rename_group, Tour.deactivate,
    Tour.match_while_inactive, Tour.duplicate_of_somebody_inactive, Tour.leave_a_group_while_inactive,
    Tour.reactivate, Tour.what_was_left_stays_left, Tour.nobody_vanishes_with_the_session, Tour.delete,
    Tour.delete_somebody_inactive, Tour.the_name_is_free_again, Tour.delete_groups,
]


def main():
    arguments = argparse.ArgumentParser(description="Drives a bridge in front of a real application.")
    arguments.add_argument("--base", required=True, help="the SCIM base URL")
    arguments.add_argument("--token", required=True, help="its bearer token")
    arguments.add_argument("--app", required=True, choices=sorted(APPLICATIONS))
    options = arguments.parse_args()
    tour = Tour(Scim(options.base, options.token), APPLICATIONS[options.app]())
    failed = 0
    for number, step in enumerate(STEPS, 1):
        name = step.__name__.replace("_", " ")
        try:
            step(tour)
        except Exception as error:  # a step that fails in any way has failed; the others still run
            failed += 1
            frames = traceback.extract_tb(error.__traceback__)
            line = next(frame.lineno for frame in reversed(frames) if frame.name == step.__name__)
            print(f"{number:2} FAILED {name} (line {line}): {type(error).__name__}: {error}", flush=True)
            for note in getattr(error, "__notes__", []):
                print(f"          {note}")
        else:
            print(f"{number:2} ok     {name}", flush=True)
    print(f"{options.app}: {len(STEPS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
