"""Names in the character sets of DICOM."""

# PS3.5 annexes H, I, J, K: character set, bytes, text
EXAMPLES = [
    ("", b"Smith^John", "Smith^John"),
    ("ISO_IR 100", b"Buc^J\xe9r\xf4me", "Buc^Jérôme"),
    ("ISO_IR 101", b"W\xb1\xb3\xeasa", "Wąłęsa"),
    ("ISO_IR 110", b"\xb9v\xea", "švę"),
    ("ISO_IR 109", b"\xa6ano", "Ĥano"),
    ("ISO_IR 144", b"\xbb\xee\xda", "Люк"),
    ("ISO_IR 127", b"\xe2\xc8\xc7\xe6\xea", "قباني"),
    ("ISO_IR 126", b"\xc4\xe9\xef\xed\xf5\xf3\xe9\xef\xf2", "Διονυσιος"),
    ("ISO_IR 138", b"\xf9\xf8\xe5\xef^\xe3\xe1\xe5\xf8\xe4", "שרון^דבורה"),
    ("ISO_IR 148", b"\xc7avu\xfeo\xf0lu", "Çavuşoğlu"),
    ("ISO_IR 166", b"\xb9\xd2", "นา"),
    ("ISO_IR 203", b"\xa4", "€"),
    ("ISO_IR 13", b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3", "ﾔﾏﾀﾞ^ﾀﾛｳ"),
    (
        "\\ISO 2022 IR 87",
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
    ),
    (
        "ISO 2022 IR 13\\ISO 2022 IR 87",
        b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J",
        "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎",
    ),
    (
        "\\ISO 2022 IR 149",
        b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7",
        "Hong^Gildong=洪^吉洞",
    ),
    ("\\ISO 2022 IR 58", b"Zhang=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab", "Zhang=张^小东"),
    ("GB18030", b"Wang=\xcd\xf5^\xd0\xa1\xb6\xab", "Wang=王^小东"),
    ("GBK", b"Wang=\xcd\xf5", "Wang=王"),
    ("ISO_IR 192", "Hong=홍^길동".encode(), "Hong=홍^길동"),
    ("ISO 2022 IR 100\\ISO 2022 IR 144", b"J\xe9^\x1b-L\xbb\xee\xda^J\xe9", "Jé^Люк^Jé"),
]
