"""The settings, typed and frozen. They are built once, by ``load_config``, and passed down.

Field ``x`` is the variable ``VOICEMODE_X``. Importing this module reads nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

__all__ = ["Settings"]


def _comma_list(value: object) -> object:
    """Split "a, b", which is how people write a list in an environment variable."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


CommaList = Annotated[tuple[str, ...], BeforeValidator(_comma_list)]


class Settings(BaseModel):
    """Everything a person can choose. Defaults work on a machine where nothing was configured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # -- speech endpoints
    tts_base_urls: CommaList = Field((), description="Text-to-speech endpoints (OpenAI audio API) in order; a|b are equals.")
    stt_base_urls: CommaList = Field((), description="Speech-to-text endpoints (OpenAI audio API) in order; a|b are equals.")
    chat_base_urls: CommaList = Field((), description="Chat completion endpoints (OpenAI API) in order; a|b are equals.")
    tts_api_key: SecretStr | None = Field(None, description="Key sent to the text-to-speech endpoints.")
    stt_api_key: SecretStr | None = Field(None, description="Key sent to the speech-to-text endpoints.")
    chat_api_key: SecretStr | None = Field(None, description="Key sent to the chat endpoints.")
    openai_api_key: SecretStr | None = Field(
        None, description="Key of OpenAI; to set it is the consent to use its cloud when no endpoint above or local one serves."
    )
    tts_models: CommaList = Field(("tts-1",), description="Text-to-speech models, the first one the endpoint has.")
    stt_models: CommaList = Field(("whisper-1",), description="Speech-to-text models, the first one the endpoint has.")
    chat_models: CommaList = Field((), description="Chat models, the first one the endpoint has; empty: the first it names.")
    discovery: bool = Field(True, description="Use speech services that answer on the known ports of this machine.")
    voices: CommaList = Field((), description="Voices in order of preference; empty lets the endpoint choose.")
    tts_speed: float = Field(1.0, ge=0.25, le=4.0, description="Speaking rate; 1.0 is the voice's own.")
    language: str | None = Field(None, description="Language of the conversation (BCP 47); empty lets engines detect it.")
    builtin: bool = Field(True, description="Use the built-in engines (espeak-ng, pocketsphinx) as the last resort.")
    local_only: bool = Field(False, description="Refuse every address but this machine's own before a socket is opened.")
    start_services: bool = Field(
        True, description="Start an installed local service that is stopped when a conversation lacks it."
    )
    speech_cache: Literal["off", "memory", "disk"] = Field(
        "memory", description="Keep synthesized phrases that recur: in this process, or on disk in VOICEMODE_BASE_DIR."
    )
    connect_timeout_s: float = Field(2.0, gt=0, le=60, description="Seconds an endpoint may take to accept a connection.")
    first_byte_timeout_s: float = Field(15.0, gt=0, le=120, description="Seconds until an endpoint's first byte.")
    stall_timeout_s: float = Field(5.0, gt=0, le=120, description="Seconds a started answer may pause.")

    # -- who answers in continuous conversations
    responder_command: str = Field(
        "", description="Command that answers; {text}, {session}, {thread} are put into it; empty: a chat endpoint."
    )
    responder_resume_command: str = Field(
        "", description="The command for the turns after a session's first, where it differs; only with {text}."
    )
    responder_end: str = Field("", description="Line with which the command ends an answer; empty: silence does.")
    responder_quiet_s: float = Field(1.5, gt=0, le=60, description="Seconds of silence of the command that end its answer.")
    responder_timeout_s: float = Field(
        120.0, gt=0, le=3600, description="Seconds the command may stay silent before it has failed."
    )
    responder_interrupt: Literal["sigint", "kill", "none"] = Field(
        "sigint", description="What the command gets when its answer is interrupted; none: it goes on unheard."
    )
    responder_env: CommaList = Field((), description="Variables the command gets besides PATH, HOME and their like.")
    upstream: str = Field(
        "", description="Realtime API that hears and answers in our place: openai, grok, or a ws(s) address; empty: none."
    )
    upstream_models: CommaList = Field((), description="Its models, the first one it has; empty: those we know of it.")
    upstream_voice: str = Field("", description="Its voice; empty: its own.")
    upstream_turns: Literal["ours", "theirs"] = Field("ours", description="Who hears where the person's turns end.")
    upstream_api_key: SecretStr | None = Field(
        None, description="Its key; empty: for openai VOICEMODE_OPENAI_API_KEY or OPENAI_API_KEY, for grok XAI_API_KEY."
    )
    upstream_session_s: float = Field(
        3300.0, gt=0, le=86_400, description="Seconds after which it is connected to anew, before it ends a session itself."
    )
    upstream_fallback: bool = Field(True, description="Let our own engines answer while it cannot be had.")

    # -- tools of servers in continuous conversations, and jobs that outlast an answer
    mcp_servers: str = Field(
        "", description="MCP servers by label: label=command argument, label2=https://host/mcp; a client names the label."
    )
    mcp_tokens: SecretStr | None = Field(
        None, description="Bearer tokens for those with an address: label=token, label2=token."
    )
    mcp_env: CommaList = Field(
        (), description="Variables that a started one gets besides PATH, HOME and their like: label:NAME."
    )
    mcp_allowed_hosts: CommaList = Field(
        (), description="Hosts of MCP servers that clients may bring: host, host:port, *.host or *; empty: none."
    )
    mcp_call_timeout_s: float = Field(60.0, gt=0, le=3600, description="Seconds a tool of an MCP server may take.")
    mcp_approval_aloud: bool = Field(False, description="Ask the person aloud, too, whether a tool may be called.")
    job_command: str = Field(
        "", description="Command that does long jobs; {text} and {session} stand for the task and its session; empty: no jobs."
    )
    job_timeout_s: float = Field(600.0, gt=0, le=86_400, description="Seconds a job may take.")
    job_max: int = Field(4, ge=1, le=64, description="Jobs of one conversation at the same time.")
    job_env: CommaList = Field((), description="Variables the command gets besides PATH, HOME and their like.")

    # -- sound
    transport: Literal["auto", "local", "browser"] = Field(
        "auto", description="Whose microphone and loudspeaker 'converse' uses; auto: a page's where this machine lacks one."
    )
    input_device: str = Field("", description="Microphone by name, part of a name, or index; empty is the default.")
    output_device: str = Field("", description="Loudspeaker by name, part of a name, or index; empty is the default.")
    audio_feedback: Literal["auto", "true", "false"] = Field(
        "auto", description="Chime when the microphone starts to listen; auto: only when nothing was spoken before."
    )
    earcons: Literal["off", "quiet"] = Field("off", description="A soft sound when a turn is over and its words are found.")
    vad: Literal["auto", "silero", "webrtcvad"] = Field("auto", description="Speech detector; auto: the best that loads.")

    # -- turns
    silence_threshold_ms: int | None = Field(
        None, ge=100, le=10_000, description="Fixed silence that ends a turn (patience=normal); empty: sound and words decide."
    )
    patience: Literal["quick", "normal", "patient"] = Field("normal", description="How long a pause may be.")
    turn_scorer: Literal["auto", "smart-turn", "prosody"] = Field(
        "auto", description="Who judges whether you have finished; auto: smart-turn where its model is, else prosody."
    )
    barge_in: bool = Field(True, description="Let people interrupt by voice what is being said; a key always can.")
    spoken_commands: bool = Field(True, description='Heed "repeat that", "hold on" and their like, said alone.')
    start_timeout_s: float = Field(12.0, gt=0, le=600, description="Seconds to wait for the person to begin.")
    listen_duration_max: float = Field(120.0, gt=0, le=600, description="Seconds one utterance may last at most.")
    call_budget_s: float | None = Field(
        None, gt=0, le=3600, description="Seconds until still_listening; empty: 110 for Claude Code, 50 for others."
    )
    turn_timelines: Literal["off", "no-words", "full"] = Field(
        "no-words", description="What is kept of the last 20 turns for 'voicemode turn show'; full: also what was said."
    )
    floor_wait_s: float = Field(10.0, ge=0, le=600, description="Seconds to wait while another agent is talking.")

    # -- what is kept
    memory: Literal["incognito", "persistent"] = Field(
        "incognito", description="Whether conversations are kept on disk; incognito: nothing of them is."
    )
    thread: str = Field(
        "",
        max_length=200,
        description="Conversation that 'converse' and the command line go on with; empty: a new one each time.",
    )
    retention_days: int | None = Field(
        None, ge=1, le=36_500, description="Days after which kept conversations are deleted; empty: never."
    )
    keep_audio: bool = Field(False, description="Keep also the sound of what you said in kept conversations.")
    session_grace_s: float = Field(
        30.0, ge=0, le=86_400, description="Seconds after the last call of a session until it is ended, unless it goes on."
    )

    # -- the realtime server ('voicemode serve')
    serve_host: str = Field("127.0.0.1", description="Address the realtime server listens on; others need ALLOW_REMOTE.")
    serve_port: int = Field(8765, ge=0, le=65_535, description="Its port; 0: a free one, which it prints.")
    serve_allow_remote: bool = Field(False, description="Let it listen where others reach it.")
    serve_allowed_hosts: CommaList = Field((), description="Names besides localhost by which it is reached.")
    serve_allowed_origins: CommaList = Field((), description="Origins of other machines' pages that may use it.")
    serve_token: SecretStr | None = Field(None, description="Its token, in the place of the one it makes for itself.")
    serve_processes: int = Field(1, ge=1, le=64, description="Processes that hold conversations; one for each core is most.")
    serve_max_sessions: int = Field(100, ge=1, le=10_000, description="Conversations at the same time.")
    serve_max_sessions_per_address: int = Field(
        8, ge=1, le=10_000, description="Of which so many from one address of another machine."
    )
    serve_max_upload_mb: int = Field(25, ge=1, le=1024, description="Largest upload in MiB.")
    serve_max_audio_s: float = Field(3600.0, gt=0, le=86_400, description="Longest upload in seconds of sound.")
    serve_session_s: float = Field(3600.0, gt=0, le=86_400, description="Seconds a session may last.")
    serve_drain_s: float = Field(8.0, ge=0, le=3600, description="Seconds that calls may go on once it is told to end.")
    serve_start: bool = Field(True, description="Start it when 'converse' is to use the page and it does not run.")
    serve_tls_cert: str = Field("", description="Certificate (PEM) with which it speaks TLS; empty: it does not.")
    serve_tls_key: str = Field("", description="The certificate's key (PEM).")

    # -- gptme
    gptme_url: str = Field("", description="gptme's server, which gets what was said on /voice and /local; empty: nobody does.")
    gptme_token: SecretStr | None = Field(None, description="Its token.")

    # -- the telephone, and other agents
    public_url: str = Field("", description="Where the server is reached from outside: https://example.org, without a path.")
    twilio_account_sid: str = Field("", description="Account of Twilio that carries telephone calls (AC...); empty: none.")
    twilio_auth_token: SecretStr | None = Field(None, description="Its auth token, which signs what Twilio sends.")
    twilio_number: str = Field("", description="The number of ours that calls are made from: +4930123456.")
    twilio_allowed_numbers: CommaList = Field((), description="Who may call and be called: +4917012345; empty: nobody.")
    twilio_max_calls: int = Field(4, ge=1, le=1000, description="Telephone calls at the same time.")
    twilio_call_s: float = Field(1800.0, gt=0, le=14_400, description="Seconds a telephone call may last.")
    twilio_api_url: str = Field("https://api.twilio.com", description="Where Twilio's REST API is.")
    handoff_secret: SecretStr | None = Field(None, description="Signs sessions handed to other agents; empty: it is made.")
    handoff_agents: CommaList = Field(("voicemode",), description="Agents that this server is; the first hands sessions on.")

    # -- the program
    models_url: str = Field("", description="Mirror that models are downloaded from; empty: where they are published.")
    tools: CommaList = Field((), description="MCP tools to load; empty: converse and voice_status.")
    base_dir: Path = Field(Path("~/.voicemode"), description="Where recordings not yet transcribed and locks live.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("warning", description="What is logged to stderr.")
