#!/usr/bin/env python3
"""Replay recorded-shape IdP traffic against a SCIM 2.0 server and check the answers.

    replay.py --base http://127.0.0.1:8080/scim/v2 --token T --corpus tests/corpus

Standard library only.  One JSON file = one scenario = an ordered list of steps.
Prints one line per failed step and closes with 'N passed, N failed'.
Exit status: 0 all passed, 1 something failed, 2 usage or corpus error.

Scenario format (see tests/corpus/README.md):
  scenario  {idp, profile, scenario, category, needs[], summary, steps[], cleanup[]}
  step      {step, idp, evidence, source, request{method, path, headers, body|raw_body},
             expect{status[], must[], must_if_body[]}, capture{name: path}}
  assertion {"path": "$.a.b[0]" | "header": "Content-Type", <one operator>, "why": "..."}
  operators equals not_equals equals_ci one_of exists absent empty contains not_contains
            starts_with ends_with matches type length min_length set_equals
  paths     $.emails[0].value   $.emails[type=work].value   $.members[*].value
            $["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"].manager.value
  holes     {{name}} captured earlier, {{token}}, {{base}}, {{$u}} unique per scenario and run,
            {{$uuid:tag}} a stable uuid; pipes |url |plus |upper |lower
"""
import argparse
import hashlib
import http.client
import json
import os
import re
import ssl
import sys
import time
import urllib.parse
import uuid

MISSING = object()
HOLE = re.compile(r"\{\{\s*([^{}|]+?)\s*((?:\|\s*[a-z]+\s*)*)\}\}")


class Unresolved(Exception):
    pass


class BadPath(Exception):
    pass


# ---------------------------------------------------------------- placeholders

def expand_text(text, env):
    def one(match):
        name, pipes = match.group(1), match.group(2)
        if name.startswith("$uuid"):
            tag = name.partition(":")[2]
            value = str(uuid.UUID(hashlib.md5((env["$u"] + "/" + tag).encode()).hexdigest()))
        elif name in env:
            value = env[name]
        else:
            raise Unresolved(name)
        value = value if isinstance(value, str) else json.dumps(value)
        for pipe in [p.strip() for p in pipes.split("|") if p.strip()]:
            if pipe == "url":
                value = urllib.parse.quote(value, safe="")
            elif pipe == "plus":
                value = urllib.parse.quote_plus(value, safe="")
            elif pipe == "upper":
                value = value.upper()
            elif pipe == "lower":
                value = value.lower()
            else:
                raise Unresolved("pipe " + pipe)
        return value
    return HOLE.sub(one, text)


def expand(node, env):
    if isinstance(node, str):
        whole = HOLE.fullmatch(node)
        if whole and not whole.group(2) and whole.group(1) in env:
            return env[whole.group(1)]          # keeps the captured JSON type
        return expand_text(node, env)
    if isinstance(node, list):
        return [expand(item, env) for item in node]
    if isinstance(node, dict):
        return {expand_text(key, env): expand(value, env) for key, value in node.items()}
    return node


# ---------------------------------------------------------------- paths

TOKEN = re.compile(r"""
      \.(?P<dot>[A-Za-z0-9_$-]+)
    | \[\s*(?P<index>-?\d+)\s*\]
    | \[\s*(?P<star>\*)\s*\]
    | \[\s*"(?P<dq>[^"]*)"\s*\]
    | \[\s*'(?P<sq>[^']*)'\s*\]
    | \[\s*(?P<key>[A-Za-z0-9_$]+)\s*=\s*(?P<val>[^\]]*?)\s*\]
""", re.X)


def parse_path(path):
    if not path.startswith("$"):
        raise BadPath(path)
    at, steps = 1, []
    while at < len(path):
        match = TOKEN.match(path, at)
        if not match:
            raise BadPath(path)
        steps.append(match)
        at = match.end()
    return steps


def look(node, path):
    """The value at path, MISSING when there is none. [*] yields a list."""
    return _walk(node, parse_path(path))


def _walk(node, steps):
    for number, step in enumerate(steps):
        if node is MISSING:
            return MISSING
        name = step.group("dot")
        if name is None:
            name = step.group("dq") if step.group("dq") is not None else step.group("sq")
        if name is not None:
            node = node.get(name, MISSING) if isinstance(node, dict) else MISSING
        elif step.group("index") is not None:
            index = int(step.group("index"))
            if not isinstance(node, list) or not -len(node) <= index < len(node):
                return MISSING
            node = node[index]
        elif step.group("star"):
            if not isinstance(node, list):
                return MISSING
            rest = steps[number + 1:]
            found = [_walk(item, rest) for item in node]
            return [item for item in found if item is not MISSING]
        else:
            key, wanted = step.group("key"), step.group("val").strip("\"'")
            if not isinstance(node, list):
                return MISSING
            for item in node:
                have = item.get(key, MISSING) if isinstance(item, dict) else MISSING
                if have is MISSING:
                    continue
                text = have if isinstance(have, str) else json.dumps(have)
                if text.lower() == wanted.lower():
                    node = item
                    break
            else:
                return MISSING
    return node


# ---------------------------------------------------------------- assertions

TYPES = {"string": str, "boolean": bool, "array": list, "object": dict}
OPERATORS = ("equals", "not_equals", "equals_ci", "one_of", "exists", "absent", "empty",
             "contains", "not_contains", "starts_with", "ends_with", "matches", "type",
             "length", "min_length", "set_equals")


def same(left, right):
    """JSON equality that keeps true apart from 1 and "true" apart from true."""
    if isinstance(left, bool) or isinstance(right, bool):
        return isinstance(left, bool) and isinstance(right, bool) and left == right
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        return left == right
    return type(left) is type(right) and left == right


def show(value):
    if value is MISSING:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 160 else text[:157] + "..."


def check(rule, body, headers):
    """None when the rule holds, else the reason in words."""
    if "header" in rule:
        where = "header " + rule["header"]
        value = headers.get(rule["header"].lower(), MISSING)
    else:
        where = rule["path"]
        value = look(body, rule["path"]) if body is not MISSING else MISSING
    for name in OPERATORS:
        if name not in rule:
            continue
        want, ok = rule[name], False
        if name == "equals":
            ok = value is not MISSING and same(value, want)
        elif name == "not_equals":
            ok = value is MISSING or not same(value, want)
        elif name == "equals_ci":
            ok = isinstance(value, str) and value.lower() == str(want).lower()
        elif name == "one_of":
            ok = value is not MISSING and any(same(value, item) for item in want)
        elif name == "exists":
            ok = (value is not MISSING and value is not None) == bool(want)
        elif name == "absent":
            ok = (value is MISSING or value is None) == bool(want)
        elif name == "empty":
            ok = (value is MISSING or value is None or value == [] or value == ""
                  or value == {}) == bool(want)
        elif name == "contains":
            if isinstance(value, str):
                ok = str(want).lower() in value.lower()
            else:
                ok = isinstance(value, list) and any(same(item, want) for item in value)
        elif name == "not_contains":
            if isinstance(value, str):
                ok = str(want).lower() not in value.lower()
            else:
                ok = not (isinstance(value, list) and any(same(item, want) for item in value))
        elif name == "starts_with":
            ok = isinstance(value, str) and value.startswith(want)
        elif name == "ends_with":
            ok = isinstance(value, str) and value.endswith(want)
        elif name == "matches":
            ok = isinstance(value, str) and re.search(want, value) is not None
        elif name == "type":
            if want == "integer":
                ok = isinstance(value, int) and not isinstance(value, bool)
            elif want == "boolean":
                ok = isinstance(value, bool)
            else:
                ok = isinstance(value, TYPES[want])
        elif name == "length":
            ok = isinstance(value, (list, str)) and len(value) == want
        elif name == "min_length":
            ok = isinstance(value, (list, str)) and len(value) >= want
        elif name == "set_equals":
            ok = isinstance(value, list) and sorted(map(json.dumps, value)) == \
                sorted(map(json.dumps, want))
        if ok:
            return None
        return "%s: wanted %s %s, got %s" % (where, name, show(want), show(value))
    raise BadPath("no operator in %r" % rule)


# ---------------------------------------------------------------- HTTP

class Client:
    def __init__(self, base, timeout, insecure):
        parts = urllib.parse.urlsplit(base)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SystemExit("--base must be an http(s) URL")
        self.parts, self.timeout = parts, timeout
        self.prefix = parts.path.rstrip("/")
        self.context = None
        if parts.scheme == "https":
            self.context = ssl.create_default_context()
            if insecure:
                self.context.check_hostname = False
                self.context.verify_mode = ssl.CERT_NONE

    def send(self, method, path, headers, payload):
        host, port = self.parts.hostname, self.parts.port
        if self.context is not None:
            link = http.client.HTTPSConnection(host, port, timeout=self.timeout,
                                               context=self.context)
        else:
            link = http.client.HTTPConnection(host, port, timeout=self.timeout)
        try:
            # putrequest sends the target byte for byte: quotes, '//', a bare '?' stay.
            target = self.prefix + path
            link.putrequest(method, target.encode("utf-8").decode("latin-1"),
                            skip_accept_encoding=True)
            for name, value in headers.items():
                link.putheader(name, value)
            names = {name.lower() for name in headers}
            if payload is not None or method in ("POST", "PUT", "PATCH"):
                if "content-length" not in names:
                    link.putheader("Content-Length", str(len(payload or b"")))
            link.putheader("Connection", "close")
            link.endheaders(payload)
            answer = link.getresponse()
            raw = answer.read()
            got = {}
            for name, value in answer.getheaders():
                got.setdefault(name.lower(), value)
            return answer.status, got, raw
        finally:
            link.close()


def decode(headers, raw):
    if not raw.strip():
        return MISSING
    if headers.get("content-encoding", "").lower() == "gzip":
        import gzip
        raw = gzip.decompress(raw)
    try:
        return json.loads(raw.decode("utf-8"))
    except (UnicodeDecodeError, ValueError):
        return MISSING


# ---------------------------------------------------------------- running

def run_step(client, step, env):
    """(failures, status) for one step."""
    request = step["request"]
    headers = {}
    for name, value in (request.get("headers") or {}).items():
        if value is not None:
            headers[name] = expand_text(value, env)
    if not any(name.lower() == "authorization" for name in (request.get("headers") or {})):
        headers["Authorization"] = "Bearer " + env["token"]
    payload = None
    if "raw_body" in request:
        payload = expand_text(request["raw_body"], env).encode("utf-8")
    elif request.get("body") is not None:
        payload = json.dumps(expand(request["body"], env), ensure_ascii=False).encode("utf-8")
    path = expand_text(request["path"], env)
    try:
        status, got, raw = client.send(request["method"], path, headers, payload)
    except (OSError, http.client.HTTPException) as error:
        return ["no HTTP answer: %s: %s" % (type(error).__name__, error)], 0
    body = decode(got, raw)
    expect, problems = step.get("expect", {}), []
    if expect.get("status") and status not in expect["status"]:
        detail = look(body, "$.detail") if isinstance(body, dict) else MISSING
        if not isinstance(detail, str):
            detail = raw[:120].decode("utf-8", "replace")
        problems.append("status %d, wanted %s (%s)" % (
            status, "/".join(map(str, expect["status"])), " ".join(detail.split())[:140]))
    else:
        rules = list(expect.get("must") or [])
        if raw.strip():
            rules += expect.get("must_if_body") or []
        for rule in rules:
            problem = check(expand(rule, env), body, got)
            if problem:
                problems.append(problem)
    for name, where in (step.get("capture") or {}).items():
        if where.startswith("header:"):
            value = got.get(where[7:].strip().lower(), MISSING)
        else:
            value = look(body, expand_text(where, env)) if body is not MISSING else MISSING
        if value is MISSING or value is None:
            if not problems:
                problems.append("nothing to capture as %s at %s" % (name, where))
        else:
            env[name] = value
    return problems, status


def load(corpus, idp, only):
    files = []
    for folder, _, names in os.walk(corpus):
        files += [os.path.join(folder, name) for name in names if name.endswith(".json")]
    for path in sorted(files):
        short = os.path.relpath(path, corpus)
        if only and not re.search(only, short):
            continue
        with open(path, encoding="utf-8") as handle:
            scenario = json.load(handle)
        if idp and scenario["idp"] not in idp:
            continue
        yield short, scenario


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--base", help="SCIM base URL, e.g. https://host/scim/v2")
    parser.add_argument("--token", default="", help="bearer token")
    parser.add_argument("--corpus", required=True, help="folder with the scenario files")
    parser.add_argument("--idp", action="append", help="only this IdP (repeatable)")
    parser.add_argument("--only", help="only files whose relative path matches this regex")
    parser.add_argument("--without", default="",
                        help="comma list of needs the server lacks, e.g. groups,attr:roles; "
                             "scenarios, steps and assertions needing them are skipped")
    parser.add_argument("--timeout", type=float, default=20)
    parser.add_argument("--insecure", action="store_true", help="accept any TLS certificate")
    parser.add_argument("--seed", help="fixed value for {{$u}}, for comparable runs")
    parser.add_argument("--no-cleanup", action="store_true")
    parser.add_argument("--verbose", action="store_true", help="a line per passed step too")
    parser.add_argument("--report", help="write a JSON report here")
    parser.add_argument("--count", action="store_true", help="count requests per IdP and leave")
    args = parser.parse_args()

    if args.count:
        totals = {}
        for _, scenario in load(args.corpus, args.idp, args.only):
            line = totals.setdefault(scenario["idp"], [0, 0])
            line[0] += 1
            line[1] += len(scenario["steps"])
        for idp in sorted(totals):
            print("%-14s %3d scenarios %4d requests" % (idp, *totals[idp]))
        print("%-14s %3d scenarios %4d requests" % (
            "total", sum(v[0] for v in totals.values()), sum(v[1] for v in totals.values())))
        return 0
    if not args.base:
        parser.error("--base is needed")

    client = Client(args.base, args.timeout, args.insecure)
    lacking = {item.strip() for item in args.without.split(",") if item.strip()}
    run = args.seed or uuid.uuid4().hex[:8]
    passed = failed = skipped = 0
    report, slowest = [], 0.0
    for short, scenario in load(args.corpus, args.idp, args.only):
        if lacking & set(scenario.get("needs") or []):
            skipped += len(scenario["steps"])
            continue
        mark = hashlib.md5((run + short).encode()).hexdigest()[:8]
        env = {"token": args.token, "base": args.base.rstrip("/"), "$u": mark}
        for number, step in enumerate(scenario["steps"], 1):
            label = "%s #%02d %s" % (short, number, step["step"])
            if lacking & set(step.get("needs") or []):
                skipped += 1
                continue
            if lacking:
                step = dict(step, expect=dict(step.get("expect", {})))
                for part in ("must", "must_if_body"):
                    step["expect"][part] = [rule for rule in step["expect"].get(part) or []
                                            if not lacking & set(rule.get("needs") or [])]
            start = time.monotonic()
            try:
                problems, status = run_step(client, step, env)
            except Unresolved as hole:
                problems, status = ["blocked: no value for {{%s}}, an earlier step failed"
                                    % hole], None
            except BadPath as bad:
                print("corpus error in %s: %s" % (label, bad), file=sys.stderr)
                return 2
            took = time.monotonic() - start
            slowest = max(slowest, took)
            if problems:
                failed += 1
                print("FAIL %s [%s]: %s" % (label, step.get("evidence", "?"), "; ".join(problems)))
            else:
                passed += 1
                if args.verbose:
                    print("ok   %s: %s in %.0f ms" % (label, status, took * 1000))
            report.append({"file": short, "idp": scenario["idp"], "n": number,
                           "step": step["step"], "evidence": step.get("evidence"),
                           "status": status, "problems": problems,
                           "ms": round(took * 1000)})
        if not args.no_cleanup:
            for item in scenario.get("cleanup") or []:
                try:
                    client.send(item["method"], expand_text(item["path"], env),
                                {"Authorization": "Bearer " + args.token}, None)
                except (Unresolved, OSError, http.client.HTTPException):
                    pass
    if args.report:
        with open(args.report, "w", encoding="utf-8") as handle:
            json.dump({"run": run, "passed": passed, "failed": failed, "skipped": skipped,
                       "steps": report}, handle, indent=1)
    if skipped:
        print("%d steps skipped by --without" % skipped)
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
