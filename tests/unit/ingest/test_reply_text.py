"""What a person wrote now: quotations of every client and language are cut, answers are never lost."""

from __future__ import annotations

import pytest

from maild.ingest.reply_text import new_text, signature_start, subject_without_banner

ANSWER = "The second one, please.\nAnd send it soon."

ATTRIBUTIONS = [
    "On Tue, 3 Nov 2026 at 10:04, Desk <desk@help.example> wrote:",
    "On Tue, 3 Nov 2026 at 10:04, Desk Of The Very Long Name <\ndesk@help.example> wrote:",
    "On Tuesday, November 3, 2026 at 10:04:00 AM GMT+1, Desk\n<desk@help.example> wrote:",
    "--- On Tue, 11/3/26, Desk <desk@help.example> wrote:",
    "Am 03.11.2026 um 10:04 schrieb Desk:",
    "Am Di., 3. Nov. 2026 um 10:04 Uhr schrieb Desk <desk@help.example>:",
    "Desk <desk@help.example> schrieb am Di., 3. Nov. 2026, 10:04:",
    "Le 3 nov. 2026 à 10:04, Desk <desk@help.example> a écrit :",
    "Le mar. 3 nov. 2026 à 10:04, Desk\n<desk@help.example> a\nécrit :",
    "El mar, 3 nov 2026 a las 10:04, Desk (<desk@help.example>) escribió:",
    "Il giorno mar 3 nov 2026 alle ore 10:04 Desk <desk@help.example> ha scritto:",
    "Em ter., 3 de nov. de 2026 às 10:04, Desk <desk@help.example> escreveu:",
    "Op di 3 nov. 2026 om 10:04 schreef Desk <desk@help.example>:",
    "Op 3 nov. 2026 om 10:04 heeft Desk <desk@help.example> het volgende geschreven:",
    "W dniu 3.11.2026 o 10:04, Desk pisze:",
    "wt., 3 lis 2026 o 10:04 Desk <desk@help.example> napisał(a):",
    "Den tis 3 nov. 2026 kl 10:04 skrev Desk <desk@help.example>:",
    "tir. 3. nov. 2026 kl. 10.04 skrev Desk <desk@help.example>:",
    "Den 3. nov. 2026 kl. 10.04 skrev Desk <desk@help.example>:",
    "ti 3. marrask. 2026 klo 10.04 Desk (desk@help.example) kirjoitti:",
    "út 3. 11. 2026 v 10:04 odesílatel Desk <desk@help.example> napsal:",
    "вт, 3 нояб. 2026 г. в 10:04, Desk <desk@help.example>:",
    "3 ноября 2026 г., 10:04, Desk <desk@help.example> написал(а):",
    "вт, 3 лист. 2026 р. о 10:04 Desk <desk@help.example> пише:",
    "Desk <desk@help.example>, 3 Kas 2026 Sal, 10:04 tarihinde şunu yazdı:",
    "Desk <desk@help.example> 于2026年11月3日周二 10:04写道：",
    "在 2026年11月3日，上午10:04，Desk <desk@help.example> 写道：",
    "2026年11月3日(火) 10:04 Desk <desk@help.example>:",
    "2026년 11월 3일 (화) 오전 10:04, Desk <desk@help.example>님이 작성:",
    "03.11.2026, 10:04, \"Desk\" <desk@help.example>:",
    "2026-11-03 10:04 GMT+01:00 Desk <desk@help.example>:",
    "03.11.2026 10:04 Desk <desk@help.example>",
]  # fmt: skip


@pytest.mark.parametrize("attribution", ATTRIBUTIONS)
@pytest.mark.parametrize("quoted", ["> Which one?\n>\n> Your desk\n", "Which one?\n\nYour desk\n"], ids=["marked", "bare"])
def test_an_attributed_quotation_below_the_answer_is_cut(attribution: str, quoted: str) -> None:
    assert new_text(f"{ANSWER}\n\n{attribution}\n\n{quoted}", "") == ANSWER


@pytest.mark.parametrize("attribution", ["* Desk <desk@help.example> [2026-11-03]:", "Desk wrote:", "Am 03.11.2026 schrieb Desk:"])
def test_a_doubtful_attribution_counts_right_above_quote_marks(attribution: str) -> None:
    assert new_text(f"{ANSWER}\n\n{attribution}\n> Which one?\n", "") == ANSWER
    assert new_text(f"{ANSWER}\n\n{attribution}\nWhich one?", "") == f"{ANSWER}\n\n{attribution}\nWhich one?"


@pytest.mark.parametrize("attribution", ATTRIBUTIONS)
def test_an_answer_below_the_quotation_is_the_new_text(attribution: str) -> None:
    assert new_text(f"{attribution}\n> Which one?\n> Your desk\n\n{ANSWER}\n", "") == ANSWER


BLOCKS = [
    "From: Desk <desk@help.example>\nSent: Tuesday, November 3, 2026 10:04 AM\nTo: Jo <jo@shop.example>\nSubject: RE: Your order",
    "________________________________\nFrom: Desk <desk@help.example>\nSent: Tuesday, November 3, 2026 10:04 AM\nTo: Jo <jo@shop.example>\nSubject: RE: Your order",
    "*From:* Desk [mailto:desk@help.example]\n*Sent:* Tuesday, November 3, 2026 10:04 AM\n*To:* jo@shop.example\n*Subject:* Your order",
    "-----Original Message-----\nFrom: Desk\nSent: Tuesday\nTo: Jo\nSubject: Your order",
    "Von: Desk <desk@help.example>\nGesendet: Dienstag, 3. November 2026 10:04\nAn: Jo <jo@shop.example>\nBetreff: AW: Ihre Bestellung",
    "-------- Ursprüngliche Nachricht --------\nVon: Desk <desk@help.example>\nDatum: 03.11.26 10:04 (GMT+01:00)\nAn: jo@shop.example\nBetreff: Ihre Bestellung",
    "De : Desk <desk@help.example>\nEnvoyé : mardi 3 novembre 2026 10:04\nÀ : Jo <jo@shop.example>\nObjet : Votre commande",
    "De: Desk <desk@help.example>\nEnviado el: martes, 3 de noviembre de 2026 10:04\nPara: Jo <jo@shop.example>\nAsunto: Su pedido",
    "De: Desk <desk@help.example>\nEnviado: terça-feira, 3 de novembro de 2026 10:04\nPara: Jo <jo@shop.example>\nAssunto: O seu pedido",
    "Da: Desk <desk@help.example>\nInviato: martedì 3 novembre 2026 10:04\nA: Jo <jo@shop.example>\nOggetto: Il suo ordine",
    "Van: Desk <desk@help.example>\nVerzonden: dinsdag 3 november 2026 10:04\nAan: Jo <jo@shop.example>\nOnderwerp: Uw bestelling",
    "Od: Desk <desk@help.example>\nWysłano: wtorek, 3 listopada 2026 10:04\nDo: Jo <jo@shop.example>\nTemat: Zamówienie",
    "Från: Desk <desk@help.example>\nSkickat: den 3 november 2026 10:04\nTill: Jo <jo@shop.example>\nÄmne: Din order",
    "Fra: Desk <desk@help.example>\nSendt: 3. november 2026 10:04\nTil: Jo <jo@shop.example>\nEmne: Din ordre",
    "Lähettäjä: Desk <desk@help.example>\nLähetetty: tiistai 3. marraskuuta 2026 10.04\nVastaanottaja: Jo <jo@shop.example>\nAihe: Tilauksesi",
    "Od: Desk <desk@help.example>\nOdesláno: úterý 3. listopadu 2026 10:04\nKomu: Jo <jo@shop.example>\nPředmět: Objednávka",
    "От: Desk <desk@help.example>\nОтправлено: 3 ноября 2026 г. 10:04\nКому: Jo <jo@shop.example>\nТема: Ваш заказ",
    "Від: Desk <desk@help.example>\nНадіслано: 3 листопада 2026 р. 10:04\nКому: Jo <jo@shop.example>\nТема: Ваше замовлення",
    "Kimden: Desk <desk@help.example>\nGönderildi: 3 Kasım 2026 Salı 10:04\nKime: Jo <jo@shop.example>\nKonu: Siparişiniz",
    "发件人: Desk <desk@help.example>\n发送时间: 2026年11月3日 10:04\n收件人: Jo <jo@shop.example>\n主题: 您的订单",
    "差出人: Desk <desk@help.example>\n送信日時: 2026年11月3日 10:04\n宛先: Jo <jo@shop.example>\n件名: ご注文",
    "보낸 사람: Desk <desk@help.example>\n보낸 날짜: 2026년 11월 3일 10:04\n받는 사람: Jo <jo@shop.example>\n제목: 주문",
    "________________________________\nAusahak: Desk <desk@help.example>\nGorria: 2026-11-03 10:04\nNora: Jo <jo@shop.example>\nGaia: Eskaera",
    "> Begin forwarded message:\n>\n> From: Desk <desk@help.example>\n> Subject: Your order",
]  # fmt: skip


@pytest.mark.parametrize("block", BLOCKS)
def test_a_quoted_header_ends_the_new_text(block: str) -> None:
    quoted = "> Which one?" if block.startswith(">") else "Which one?"
    assert new_text(f"{ANSWER}\n\n{block}\n\n{quoted}\n", "") == ANSWER


@pytest.mark.parametrize(
    "text",
    [
        "I travel:\nFrom: Berlin\nTo: Hamburg\nPlease book it.",
        "You have a new request:\n\nFrom: Jo <jo@shop.example>\nSubject: Broken\n\nMessage: it fell down",
        "Your colleague wrote on 12.05.2026:\n'we will pay it back'\nBut nothing came.",
        "Times that suit me:\n2026-11-03 10:00\n2026/11/04 14:30\nIs one of them good?",
        "With regards to the order:\nit is late.",
        "The mail was sent from my iPhone app to all users.",
        "Item    Price\n-------------------\nCup     4.00",
        "Steps\n-----\n1. open\n2. close",
        "> a quotation without a name\n\nMy answer to that.",
        "It does not start. The log says:\n\n> error 17\n> error 18",
        "On the whole I wrote: no.\nBut now I say: yes.",
        "One: two\nThree: four\nFive: six",
    ],
)
def test_what_only_looks_like_a_quotation_stays(text: str) -> None:
    assert new_text(text, "") == text


def test_answers_between_the_lines_keep_their_questions() -> None:
    text = "Hi,\n\nOn Tue, 3 Nov 2026 at 10:04, Desk <desk@help.example> wrote:\n> Which colour?\n\nBlue.\n\n> Which size?\nLarge.\n\n> Bye\n> Desk\n"
    assert new_text(text, "") == text.removesuffix("\n\n> Bye\n> Desk\n")


def test_answers_in_the_text_below_an_unmarked_quotation_are_not_cut() -> None:
    text = "Hi, my answers are below in red.\n\nFrom: Desk <desk@help.example>\nSent: Tuesday 10:04\nTo: Jo\nSubject: Your order\n\nWhich colour? Blue.\nWhich size? Large."
    assert new_text(text, "") == text


FORWARDS = [
    "---------- Forwarded message ---------\nFrom: Al <al@else.example>\nDate: Tue, 3 Nov 2026 at 10:04\nSubject: Broken\nTo: Jo <jo@shop.example>\n\nIt is broken.\n\nOn Mon, 2 Nov 2026 at 9:00, X <x@y.example> wrote:\n> Really?",
    "Begin forwarded message:\n\n> From: Al <al@else.example>\n> Subject: Broken\n>\n> It is broken.",
    "-------- Weitergeleitete Nachricht --------\nBetreff: Kaputt\nDatum: Tue, 3 Nov 2026 10:04:00 +0100\nVon: Al <al@else.example>\nAn: jo@shop.example\n\nEs ist kaputt.",
    "From: Al <al@else.example>\nSent: Tuesday, November 3, 2026 10:04 AM\nTo: Jo\nSubject: Broken\n\nIt is broken.",
    "Sent from my iPhone\n\nBegin forwarded message:\n\n> From: Al <al@else.example>\n> It is broken.",
]  # fmt: skip


@pytest.mark.parametrize("text", FORWARDS)
def test_a_mail_that_only_forwards_is_new_as_a_whole(text: str) -> None:
    assert new_text(text, "") == text


@pytest.mark.parametrize("text", FORWARDS[:4])
def test_a_word_above_a_forward_is_the_new_text(text: str) -> None:
    assert new_text(f"Please look at this.\n\n{text}", "") == "Please look at this."


@pytest.mark.parametrize(
    "signature",
    [
        "-- \nJo Doe\nShop Ltd\n+49 30 1234", "--\nJo Doe", "—\nJo Doe", "Sent from my iPhone", "Sent from my Samsung Galaxy smartphone.", "Get Outlook for Android", "Get Outlook for iOS<https://aka.example/x>", "Von meinem iPhone gesendet",
        "Diese Nachricht wurde von meinem Android-Gerät mit K-9 Mail gesendet.", "Gesendet von Mail für Windows", "Envoyé de mon iPhone", "Enviado desde mi iPhone", "Inviato da iPhone", "Enviado do meu iPhone", "Verstuurd vanaf mijn iPhone",
        "Wysłane z iPhone'a", "Skickat från min iPhone", "Sendt fra min iPhone", "Lähetetty iPhonesta", "Odesláno z iPhonu", "Отправлено с iPhone", "Надіслано з iPhone", "iPhone'umdan gönderildi", "发自我的 iPhone", "iPhoneから送信", "나의 iPhone에서 보냄",
        "Kind regards\nJo Doe", "Mit freundlichen Grüßen\n\nJo von Doe\nShop", "Mvh\nJo", "Cordialement,\nJo DOE", "С уважением,\nИван Петров",
        "_______________________________________________\nusers mailing list\nhttps://lists.example/users",
    ],
)  # fmt: skip
def test_a_signature_is_cut(signature: str) -> None:
    assert new_text(f"{ANSWER}\n\n{signature}\n", "") == ANSWER
    assert new_text(f"{ANSWER}\n\n{signature}\n\nOn Tue, 3 Nov 2026 at 10:04, Desk <desk@help.example> wrote:\n> Which one?\n", "") == ANSWER


@pytest.mark.parametrize(
    "text",
    [
        "Yes.\n\nThanks,\nJo", "Yes.\n\nKind regards to your boss, too!", "Kind regards\nJo", "-- \nJo", "Sent from my iPhone", "Yes.\n\nKind regards\nJo\nplease call me back", "Here it is\n\nSent from my desk, is much easier than my mobile phone.",
        "Mit freundlichen Grüßen kann ich Ihnen mitteilen:\nnein.",
    ],
)  # fmt: skip
def test_what_is_no_signature_stays(text: str) -> None:
    assert new_text(text, "") == text


def test_a_signature_above_answers_between_the_lines_cuts_nothing() -> None:
    text = "Hi\n\n-- \nJo\n\n> Which colour?\nBlue."
    assert "Blue." in new_text(text, "")


MARKER = "——— answer above this line · case 123 ———"


def test_the_marker_of_a_notification_ends_the_new_text() -> None:
    below = "Jo wrote to you\n\n> internal words"
    assert new_text(f"{ANSWER}\n\n{MARKER}\n{below}", "") == ANSWER
    assert new_text(f"{ANSWER}\n\nOn Tue, 3 Nov 2026 at 10:04, Desk <desk@help.example> wrote:\n\n> {MARKER}\n> Jo wrote to you", "") == ANSWER
    assert new_text(f"{ANSWER}\n\nFrom: Desk <desk@help.example>\nSent: Tuesday\nTo: Al\nSubject: x\n\n{MARKER}\n{below}", "") == ANSWER


def test_below_the_marker_only_unquoted_answers_count() -> None:
    assert new_text(f"On Tue, 3 Nov 2026 at 10:04, Desk <desk@help.example> wrote:\n> {MARKER}\n> internal words\n\nMy answer", "") == "My answer"
    assert new_text(f"{MARKER}\ninternal words", "") == ""


@pytest.mark.parametrize(
    "banner",
    [
        "[EXTERNAL]", "[EXTERNAL EMAIL]", "CAUTION: This email originated from outside of the organization. Do not click links or open attachments unless you recognize the sender.", "You don't often get email from jo@shop.example. Learn why this is important",
        "ACHTUNG: Diese E-Mail kommt von einem externen Absender.", "ATTENTION : ce message provient de l'extérieur.", "ATENCIÓN: este correo proviene de un remitente externo", "ATTENZIONE: questa e-mail proviene da un mittente esterno", "LET OP: deze e-mail is afkomstig van buiten de organisatie",
    ],
)  # fmt: skip
def test_banners_at_the_top_are_cut(banner: str) -> None:
    assert new_text(f"{banner}\n\n{ANSWER}", "") == ANSWER


def test_own_banners_are_cut_at_the_top_only() -> None:
    assert new_text(f"Scanned by ACME\n{ANSWER}\nScanned by ACME", "", ["^scanned by"]) == f"{ANSWER}\nScanned by ACME"


HTML = {
    "gmail": '<div dir="ltr">Yes, <b>please</b>.</div><br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">On Tue, 3 Nov 2026 at 10:04 Desk &lt;<a href="mailto:desk@help.example">desk@help.example</a>&gt; wrote:<br></div><blockquote class="gmail_quote">Which one?</blockquote></div>',
    "thunderbird": '<p>Yes, please.</p><div class="moz-cite-prefix">Am 03.11.26 um 10:04 schrieb Desk:<br></div><blockquote type="cite" cite="mid:x">Which one?</blockquote>',
    "apple": 'Yes, please.<br><div><br><blockquote type="cite"><div>On 3 Nov 2026, at 10:04, Desk &lt;desk@help.example&gt; wrote:</div><br><div>Which one?</div></blockquote></div>',
    "outlook": '<div class="WordSection1"><p class="MsoNormal">Yes, please.</p><div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm"><p><b>From:</b> Desk &lt;desk@help.example&gt;<br><b>Sent:</b> Tuesday, November 3, 2026 10:04 AM<br><b>To:</b> Jo<br><b>Subject:</b> Your order</p></div><p>Which one?</p></div>',
    "outlook on the web, unknown language": '<div>Yes, please.</div><hr tabindex="-1"><div id="divRplyFwdMsg"><b>Ausahak:</b> Desk &lt;desk@help.example&gt;<br><b>Gorria:</b> 2026-11-03 10:04<br><b>Nora:</b> Jo<br></div><div>Which one?</div>',
    "yahoo": '<div>Yes, please.</div><div class="yahoo_quoted"><div>On Tuesday, Desk wrote:</div><div>Which one?</div></div>',
}


@pytest.mark.parametrize("client", HTML)
def test_quotations_in_html_are_cut(client: str) -> None:
    assert new_text("", HTML[client]) == "Yes, please."


def test_answers_between_blockquotes_are_kept_with_their_questions() -> None:
    page = '<div>Hi</div><blockquote type="cite"><p>Which colour?</p></blockquote><p>Blue.</p><blockquote type="cite"><p>Which size?</p></blockquote><p>Large.</p>'
    kept = new_text("Hi\nWhich colour?\nBlue.\nWhich size?\nLarge.", page)
    assert kept.split("\n") == ["Hi", "> Which colour?", "Blue.", "", "> Which size?", "Large."] or kept.replace("\n\n", "\n").split("\n") == ["Hi", "> Which colour?", ">", "Blue.", "> Which size?", ">", "Large."]


def test_a_forward_in_html_is_new_as_a_whole_and_without_marks() -> None:
    page = '<div class="gmail_quote"><div class="gmail_attr">---------- Forwarded message ---------<br>From: Al &lt;al@else.example&gt;</div><div>It is broken.</div></div>'
    text = "---------- Forwarded message ---------\nFrom: Al <al@else.example>\n\nIt is broken."
    assert new_text(text, page) == text


def test_the_signature_is_found_for_others_too() -> None:
    text = "Order: 7\n-- \nName: Jo"
    assert signature_start(text) == len("Order: 7\n")
    assert signature_start("Order: 7") is None


def test_banners_of_subjects_are_cut() -> None:
    assert subject_without_banner("[EXTERNAL] Re: Your order") == "Re: Your order"
    assert subject_without_banner("AW: [EXTERN] Ihre Bestellung") == "AW: Ihre Bestellung"
    assert subject_without_banner("ACME-OUT: Your order", ["^ACME-OUT:"]) == "Your order"
    assert subject_without_banner("External disk [4 TB]") == "External disk [4 TB]"


@pytest.mark.parametrize("own", ["Termin: am 01.12.2026 um 14:00 Uhr passt mir", "On 12/01/2026 14:00 it broke again"])
@pytest.mark.parametrize("gap", ["\n\n", "\n"])
def test_a_line_with_a_time_of_day_above_an_attribution_is_the_persons_own(own: str, gap: str) -> None:
    quoted = "On Mon, 23 Nov 2026 at 11:00, Example Support wrote:\n> foo\n> bar\n"
    assert new_text(f"Hello,\n\n{own}{gap}{quoted}", "") == f"Hello,\n\n{own}"


LAST_LINES = [
    "Sunday is fine", "4711", "1. yes\n2. no", "On Monday we tried it at 10:30", "12:30 is good", "It was on 2 Nov 2026", "Date: any", "The red one", "Am Montag geht es",
    "Le lundi me va", "In the office: yes", "see 2.11.2026", "ask al@else.example", "Because:", "Den Drucker", "so be it", "\"both\" of them",
]  # fmt: skip


@pytest.mark.parametrize("attribution", ATTRIBUTIONS)
@pytest.mark.parametrize("gap", ["\n", "\n\n"], ids=["right above", "blank line between"])
def test_the_last_line_of_an_answer_is_no_part_of_the_attribution_below_it(attribution: str, gap: str) -> None:
    lost = [own for own in LAST_LINES if new_text(f"Hello,\n\n{own}{gap}{attribution}\n> Which one?\n", "") != f"Hello,\n\n{own}"]
    assert lost == []


@pytest.mark.parametrize("own", LAST_LINES)
def test_the_last_line_of_an_answer_is_no_part_of_the_header_below_it(own: str) -> None:
    header = "From: Desk <desk@help.example>\nSent: Tuesday, November 3, 2026 10:04 AM\nTo: Jo\nSubject: Which one\n\nWhich one?\n"
    assert new_text(f"Hello,\n\n{own}\n\n{header}", "") == f"Hello,\n\n{own}"


def test_an_answer_in_small_letters_below_a_long_quoted_line_stays() -> None:
    text = (
        "On Tue, 3 Nov 2026 at 10:04, Desk <desk@help.example> wrote:\n> Which of the two printers on the second floor is the one that\nthe red one\n"
        "> And please tell us the number of it as it stands on the back\n4711\n"
    )
    assert new_text(text, "") == text.rstrip()


def test_a_line_that_a_program_broke_off_a_quoted_line_is_quoted_again() -> None:
    long = "> The form asks for the serial number which stands on the back of your printer,\nbelow the plate.\n> Please send it.\n"
    assert new_text(f"{ANSWER}\n\n{ATTRIBUTIONS[0]}\n{long}", "") == ANSWER


@pytest.mark.parametrize("last", ["Viele Grüße\nJo\nBitte Rückruf", "以上\n電話ください", "祝好\n请尽快回电", "С уважением\nИван\nСрочно Позвоните"])
def test_a_request_below_the_closing_formula_stays(last: str) -> None:
    assert new_text(f"{ANSWER}\n\n{last}", "") == f"{ANSWER}\n\n{last}"


def test_text_below_a_line_of_dashes_is_no_signature() -> None:
    text = "Hello\n--\nThe second part, with a lot of text that somebody typed below two dashes, as some like them.\nMore.\n"
    assert new_text(text, "") == text.rstrip()
    assert new_text("Hello\n--\nJo Doe, Home Ltd\n+1 555 1234\n", "") == "Hello"


@pytest.mark.parametrize("own", ["You are receiving this because I am angry", "View it on site, please", "Visit this topic of noise again"])
def test_a_sentence_that_begins_like_a_footer_stays(own: str) -> None:
    assert new_text(f"{ATTRIBUTIONS[0]}\n> Which one?\n> Your desk\n\n{own}\nThe red one\n", "") == f"{own}\nThe red one"


def test_a_wish_to_be_unsubscribed_is_no_footer() -> None:
    below = "> Our news\n> of today\n"
    assert "Unsubscribe me from it" in new_text(f"Hello\n{ATTRIBUTIONS[0]}\n{below}Unsubscribe me from it, please\n", "")
    assert new_text(f"{ANSWER}\n{ATTRIBUTIONS[0]}\n{below}Unsubscribe: https://news.example/u\n", "") == ANSWER


def test_a_marked_line_above_the_quotation_that_has_an_attribution_stays() -> None:
    body = "Hello,\n> 5 items are missing\n\nOn Mon, 3 Mar 2025 at 10:00, Jo Doe <jo@x.example> wrote:\n> Here they are.\n> Jo\n"
    assert new_text(body, "") == "Hello,\n> 5 items are missing"


def test_a_dated_sentence_right_above_an_undated_attribution_stays() -> None:
    assert new_text("On Monday, 3 March 2025 your driver came.\nJo wrote:\n> hi there\n> you\n", "") == "On Monday, 3 March 2025 your driver came."
    wrapped = "Fine.\n\nOn Mon, 3 Mar 2025 at 10:00 a.m.\nJo Doe wrote:\n> hi there\n"
    assert new_text(wrapped, "") == "Fine."


@pytest.mark.parametrize(
    "quoted",
    [
        "  On Mon, Nov 23, 2026 at 10:00, Help Desk<desk@help.example> wrote:   Dear Jo,\nwhich one?\n",
        "  Original Message  \nFrom: Help Desk\nSent: Monday, November 23, 2026 10:00\nTo: jo@home.example\nSubject: Which one?\n\nDear Jo,\nwhich one?\n",
    ],
    ids=["Yahoo on phones", "BlackBerry"],
)
def test_quotations_that_begin_without_a_line_of_their_own(quoted: str) -> None:
    assert new_text(f"The blue one.\n\n{quoted}", "") == "The blue one."


@pytest.mark.parametrize("own", ["On Monday you told me <x@y.example>:  blue is out of stock", "  Original Message\nis what the button says."])
def test_sentences_that_look_alike_are_kept(own: str) -> None:
    assert new_text(f"Hello,\n{own}\nWhat now?", "") == f"Hello,\n{own}\nWhat now?"
