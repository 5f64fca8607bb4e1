"""SMSBox's own samples, as its text prints them, trailing commas and all.

Source: the SMS API documentation at https://smsbox.devotek.africa.
"""

from __future__ import annotations

from exchange import Answer

ID = "sms-2025050112252123117a517ef211f2dbdb"
ACCEPTED = Answer(f"""{{
    "status": true,
    "code": 200,
    "message": "Message Scheduled Successfully",
    "data": "message_id:{ID}",
  }}""")
UPDATED = Answer(f"""{{
    "status": true,
    "code": 200,
    "message": "Message {ID} Updated Successfully!",
    "data": "message_id:{ID}",
  }}""")
BALANCE = Answer("""{
    "status": true,
    "code": 200,
    "message": "Operation processed successfully",
 "data": [{
    "balance_money": 100
}]
}""")
MADE = Answer("""{
    "status": true,
    "code": 200,
    "message": "SenderID 299 created Successfully",
    "data": "[]",
  }""")
LISTED = Answer("""{
    "status": true,
    "code": 200,
    "message": "Message Scheduled Successfully",

   "data": [
        {
            "id": "1",
            "sending_name": "testing",
            "status": "pending",
            "created": "2025-04-09 15:33:29"
        },
        {
            "id": "2",
            "sending_name": "ttere",
            "status": "approved",
            "created": "2025-03-18 17:25:29"
        },
        {
            "id": "3",
            "sending_name": "agaba",
            "status": "approved",
            "created": "2025-03-15 12:48:00"
        },

    ]

}""")

# The document's second sample to the byte, names in their quotation marks; of its two numbers it
# forgot the plus of one, which its own table wants.
XML_SAMPLE = b"""<sms>
  <source_addr>INFO</source_addr>
  <schedule_time />
  <message>Hello world</message>
  <recipients>
      <recipient>
          <recipient_name>"Ibrahim"</recipient_name>
          <dest_addr>+22687161524</dest_addr>
      </recipient>
      <recipient>
          <recipient_name>"Jose"</recipient_name>
          <dest_addr>+255600000002</dest_addr>
      </recipient>
  </recipients>
</sms>"""

# Each failure that is printed in the text: after which call, and the code it stands for.
FAILURES: dict[str, tuple[str, str, Answer]] = {
    "send: unknown sender": (
        "send",
        "111",
        Answer(' {\n  "code": 111,\n  "message": "Invalid Sender Id"\n}', 400),
    ),
    "balance: wrong keys": (
        "balance",
        "120",
        Answer(' {\n  "code": 120,\n  "message": "Invalid Authorization Parameters"\n}', 401),
    ),
    "change: unknown id": (
        "change",
        "403",
        Answer(f"""{{
    "status": true,
    "code": 403,
    "message": "Message {ID} not found",

  }}"""),
    ),
    "change: wrong keys": (
        "change",
        "120",
        Answer('{\n   "code": 120,\n   "message": "Invalid Authentication Parameters"\n}', 401),
    ),
    "change: no keys": (
        "change",
        "107",
        Answer('{\n   "error": "No authorization headers",\n}', 400),
    ),
    "sender names: wrong keys": (
        "sender names",
        "120",
        Answer(' {\n  "code": 120,\n  "message": "Invalid Authorization Parameters"\n}', 401),
    ),
    "sender name: wrong keys": (
        "sender name",
        "120",
        Answer(' {\n    "code": 120,\n    "message": "Invalid Authentication Parameters"\n}', 401),
    ),
    "sender name: long sample": (
        "sender name",
        "124",
        Answer(
            ' {\n    "data": {\n        "code": 124,\n        "message": '
            '"Sender Name sample content should not exceed 170 characters"\n    }\n}',
            409,
        ),
    ),
    "sender name: known": (
        "sender name",
        "122",
        Answer(
            ' {\n    "data": {\n        "code": 122,\n        "message": '
            '"Senderid exist, please try another one"\n    }\n}',
            409,
        ),
    ),
    "sender name: too long": (
        "sender name",
        "121",
        Answer(
            ' {\n    "data": {\n        "code": 121,\n        "message": '
            '"Sender Name Should Not Exceed 11 Characters and can have only numbers, letters'
            ' and the following special characters . - and space"\n    }\n}',
            409,
        ),
    ),
}

# A code and its words, in each wrapping of the text, and the same in XML: it shows no XML answer.
WRAPPINGS: dict[str, tuple[int, str]] = {
    "flat": (400, '{"code": %s, "message": "%s"}'),
    "in data": (409, '{\n    "data": {\n        "code": %s,\n        "message": "%s"\n    }\n}'),
    "HTTP 200, status true": (200, '{"status": true, "code": %s, "message": "%s",\n    \n  }'),
    "HTTP 200, in data": (
        200,
        '{"status": true, "code": 200, "data": {"code": "%s", "message": "%s",},}',
    ),
    "in error": (400, '{"error": {"code": %s, "message": "%s",}}'),
    "XML": (400, "<response><code>%s</code><message>%s</message></response>"),
    "XML, HTTP 200": (
        200,
        '<?xml version="1.0" encoding="UTF-8"?>\n<r><status>true</status><data><code> %s </code><message>%s</message></data></r>',
    ),
}
