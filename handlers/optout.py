"""STOP and START: confirm an opt-out or an opt-in, in the language of the word.

That somebody opted out is kept, and held to, without this module too; it only answers. Change the
texts as you like: each is one SMS, and all but the Arabic ones are in the letters of GSM 03.38.
"""

from receiver import InboundMessage, Receiver, Router

router = Router("optout")

STOPPED = {
    "en": "You will get no more messages. Send START to get them again.",
    "fr": "Vous ne recevrez plus de messages. Envoyez START pour en recevoir à nouveau.",
    "pt": "Deixa de receber as nossas mensagens. Envie START para as voltar a receber.",
    "sw": "Hutapokea tena ujumbe wetu. Tuma START ukitaka kuupokea tena.",
    "af": "U sal nie meer boodskappe van ons ontvang nie. Stuur START om dit weer te ontvang.",
    "ar": "لن تصلك رسائل منا بعد الآن. أرسل START لاستلامها من جديد.",
}
STARTED = {
    "en": "You will get messages again. Send STOP to end them.",
    "fr": "Vous recevrez de nouveau nos messages. Envoyez STOP pour ne plus en recevoir.",
    "pt": "Volta a receber as nossas mensagens. Envie STOP para deixar de as receber.",
    "sw": "Utapokea ujumbe wetu tena. Tuma STOP ukitaka kuacha kuupokea.",
    "af": "U sal weer boodskappe van ons ontvang. Stuur STOP om dit te staak.",
    "ar": "ستصلك رسائلنا من جديد. أرسل STOP لإيقافها.",
}


@router.opted_out()
def stop(message: InboundMessage) -> str | None:
    """Confirm that nothing more goes to the sender; this answer is the last."""
    if message.sender is None:
        return None
    return _in_language(STOPPED, message)


@router.opted_in()
def start(message: InboundMessage) -> str | None:
    """Confirm that messages to the sender leave again."""
    return None if message.sender is None else _in_language(STARTED, message)


def _in_language(texts: dict[str, str], message: InboundMessage) -> str:
    language = Receiver.current().settings.consent.language_of(message.text)
    return texts.get(language, texts["en"])
