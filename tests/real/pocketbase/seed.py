"""Gives a fresh PocketBase what an administrator would click together: four fields, one index and
one rule on the built-in collection `users`, and a collection `groups`. Doing it twice changes nothing.

seed.py API_URL, with IDENTITY and PASSWORD of a superuser in the environment.
"""

import json
import os
import sys
import urllib.request

API = sys.argv[1]
USERNAME_INDEX = "CREATE UNIQUE INDEX `idx_users_username` ON `users` (`username` COLLATE NOCASE)"
USER_FIELDS = [
    {"name": "username", "type": "text", "required": True, "max": 150},
    {"name": "external_id", "type": "text"},
    {"name": "disabled", "type": "bool"},
    # Nothing in the mapping knows this one: it stands for all that must survive untouched.
    {"name": "about", "type": "text"},
]
GROUP_FIELDS = [
    {"name": "title", "type": "text", "required": True},
    {"name": "external_id", "type": "text"},
    {"name": "about", "type": "text"},
    {"name": "created", "type": "autodate", "onCreate": True},
    {"name": "updated", "type": "autodate", "onCreate": True, "onUpdate": True},
]


def call(verb, path, body=None, token=None):
    request = urllib.request.Request(API + path, method=verb)
    request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", token)
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(request, data, timeout=30) as answer:
        return json.load(answer)


def main():
    who = {"identity": os.environ["IDENTITY"], "password": os.environ["PASSWORD"]}
    token = call("POST", "/collections/_superusers/auth-with-password", who)["token"]

    users = call("GET", "/collections/users", token=token)
    have = {field["name"] for field in users["fields"]}
    missing = [field for field in USER_FIELDS if field["name"] not in have]
    if missing:
        indexes = [index for index in users["indexes"] if "idx_users_username" not in index]
        change = {"fields": users["fields"] + missing, "indexes": [*indexes, USERNAME_INDEX],
                  # What makes `disabled` mean something: PocketBase signs in nobody who has it.
                  "authRule": "disabled = false"}
        call("PATCH", "/collections/users", change, token)

    collections = call("GET", "/collections?perPage=500", token=token)["items"]
    if not any(collection["name"] == "groups" for collection in collections):
        members = {"name": "members", "type": "relation", "collectionId": users["id"],
                   "maxSelect": 100000, "cascadeDelete": False}
        index = "CREATE UNIQUE INDEX `idx_groups_title` ON `groups` (`title` COLLATE NOCASE)"
        call("POST", "/collections", {"name": "groups", "type": "base",
                                      "fields": [*GROUP_FIELDS, members], "indexes": [index]}, token)


main()
