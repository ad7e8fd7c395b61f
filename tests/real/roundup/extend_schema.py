"""Gives a tracker's schema what the bridge needs: extend_schema.py TRACKER

Users get an external id and a mark that no mapping knows; groups of users are a class of their own. Roundup
makes the tables when the tracker is initialised.
"""

import pathlib
import sys

schema = pathlib.Path(sys.argv[1], "schema.py")
text = schema.read_text()
before = "    username=String(),"
assert text.count(before) == 1, "the template's user class looks otherwise"
text = text.replace(before, f"{before}\n    external_id=String(),\n    mark=String(),")
text += '''
usergroup = Class(
    db, "usergroup", name=String(), external_id=String(), mark=String(), members=Multilink("user"))
usergroup.setkey("name")
'''
schema.write_text(text)
